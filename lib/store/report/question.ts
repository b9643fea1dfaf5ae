/**
 * A question that operators and analysts have, with the query over the schema `report` that answers it. The query takes its
 * parameters in psql's own syntax, so that it can be pasted there: :'account' ('*': every one), :'from', :'to', :channels.
 */
export interface Question {
  /** What `rollcall report` knows it by. */
  name: string
  asks: string
  sql: string
  /** So many days before :'to' is :'from', where nobody says. */
  days: number
  /** The columns of the curve that says more than the table. */
  plot?: { x: string; y: string }
}
