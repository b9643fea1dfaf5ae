import { render } from 'preact'
import { readMe, Refused } from './api.ts'
import { App } from './app.tsx'
import { runClock } from './clock.ts'
import { followAddress } from './router.ts'
import { dressDocument, loseServer, lostSince, me } from './state.ts'

const RETRY_MS = 3_000

/** Asks who looks, until there is an answer. */
function introduce(): void {
  readMe().then(
    (answer) => {
      lostSince.set(undefined)
      me.set(answer)
    },
    (error: unknown) => {
      if (error instanceof Refused && error.status === 401) {
        lostSince.set(undefined)
        return me.set(null)
      }
      loseServer()
      setTimeout(introduce, RETRY_MS)
    },
  )
}

dressDocument(document.documentElement)
followAddress()
runClock()
introduce()
render(<App />, document.body)
