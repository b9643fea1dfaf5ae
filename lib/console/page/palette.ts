import type { Palette } from './timeline-paint.ts'

/** The colours of the theme that is seen, of style.css, for what is drawn on a canvas. */
export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement)
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim()
  return {
    phases: { preparing: of('preparing'), ready: of('ready'), started: of('started') },
    inks: { preparing: of('on-preparing'), ready: of('on-ready'), started: of('on-started') },
    hatch: of('hatch'),
    failed: of('failed'),
    ink: of('ink'),
    muted: of('muted'),
    line: of('line'),
    accent: of('accent'),
    surface: of('surface'),
    raised: of('raised'),
  }
}

/** Calls back when the theme changes, by the switch or by the system, until the function it gives is called. */
export function followTheme(onChange: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)')
  system.addEventListener('change', onChange)
  const root = new MutationObserver(onChange)
  root.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
  return () => {
    system.removeEventListener('change', onChange)
    root.disconnect()
  }
}
