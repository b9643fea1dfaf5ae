/** Of package.json, which no bundle can read. */
export const VERSION = '0.1.0'
