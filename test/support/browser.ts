// A real Chromium, where the machine has one.
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** Where it is; CHROMIUM says it of one at another place. Undefined where there is none. */
export const chromiumPath: string | undefined = process.env['CHROMIUM'] ?? PLACES.find((path) => existsSync(path))

/** Starts it without a window. Root, which has no sandbox, is who tests run as in containers. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath ?? '', args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] })
