import type { Phase } from './timeline/layout.ts'

/** What is known. */
export type Certain = Exclude<Phase, 'unsure' | 'unseen'>

/** The colours of the theme. */
export interface Palette {
  phases: Record<Certain, string>
  inks: Record<Certain, string>
  hatch: string
  failed: string
  ink: string
  muted: string
  line: string
  accent: string
  surface: string
  raised: string
}

/** The colours of the theme that is seen, of style.css, for what is drawn on a canvas. */
export function readPalette(): Palette {
  // As a property's value `light-dark(…)` is mere text; a colour it becomes where an element has it.
  const probe = document.documentElement.appendChild(document.createElement('i'))
  // A canvas cannot be in the colours of the system, and in these alone nothing on it could be told apart.
  probe.style.forcedColorAdjust = 'none'
  const of = (name: string) => {
    probe.style.color = `var(--${name})`
    return getComputedStyle(probe).color
  }
  const palette = {
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
  probe.remove()
  return palette
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
