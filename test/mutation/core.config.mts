import { defineConfig } from 'vitest/config'

/** The tests of the pure core alone: they need neither Postgres nor dist/. */
export default defineConfig({ test: { include: ['test/core/*.test.ts'] } })
