// `rollcall/subscriber`: what a subscriber needs to take deliveries. It shares no code with the sender, and needs nothing
// but Node.
export { VerificationError, type VerificationCode } from './error.ts'
export type * from './event.ts'
export { INBOX_SQL, receive, type Client, type Work } from './receive.ts'
export { verify, type RequestHeaders, type VerifyOptions } from './verify.ts'
