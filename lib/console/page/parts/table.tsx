import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

export interface Column<Row> {
  head: string
  cell: (row: Row) => ComponentChildren
  /** Left out on a phone. */
  wide?: boolean
  /** Numbers stand below each other. */
  number?: boolean
  /** Says on a phone, where there are no heads, what it is. */
  told?: boolean
}

/** A table whose caption is for those who do not see its heading. */
export function Table<Row>({
  caption,
  columns,
  rows,
  keyOf,
}: {
  caption: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row) => string
}) {
  const classOf = ({ wide, number, told }: Column<Row>) =>
    [wide && 'wide', number && 'number', told && 'told'].filter(Boolean).join(' ')
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = box.current
    if (!element) return
    // What can be scrolled must be reached by keyboard; what cannot need not be stopped at.
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0
    else element.removeAttribute('tabindex')
  })
  return (
    <div class="table" ref={box} role="group" aria-label={caption}>
      <table>
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" key={column.head} class={classOf(column)}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td key={column.head} class={classOf(column)} data-head={column.head}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
