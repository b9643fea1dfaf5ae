import { useEffect, useState } from 'preact/hooks'

/** A value that components follow. */
interface Cell<T> {
  get: () => T
  set: (value: T) => void
  /** Calls back after each change, until the function it gives is called. */
  follow: (onChange: () => void) => () => void
}

/** A cell that holds `value`. To set what it holds already tells nobody. */
export function cell<T>(value: T): Cell<T> {
  const followers = new Set<() => void>()
  let held = value
  return {
    get: () => held,
    set: (next) => {
      if (Object.is(next, held)) return
      held = next
      for (const follower of followers) follower()
    },
    follow: (onChange) => {
      followers.add(onChange)
      return () => void followers.delete(onChange)
    },
  }
}

/** What the cell holds; the component is drawn again when that changes. */
export function useCell<T>(followed: Cell<T>): T {
  const [value, setValue] = useState(() => followed.get())
  useEffect(() => {
    const look = () => setValue(() => followed.get())
    look()
    return followed.follow(look)
  }, [followed])
  return value
}
