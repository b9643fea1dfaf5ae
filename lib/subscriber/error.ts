/** Why a delivery was not accepted. */
export type VerificationCode =
  | 'secret_invalid' // none given, or one that is no whsec_ or whpk_ text: correct your own settings
  | 'body_not_raw' // the body was parsed before it was verified: hand over its bytes
  | 'header_missing' // not from Rollcall, or a proxy took a header away
  | 'header_repeated' // one header with several values: which one is signed is anybody's guess
  | 'timestamp_invalid' // no whole number of seconds
  | 'timestamp_outside' // sent too long ago, or in the future: a repeated message, or a wrong clock
  | 'signature_invalid' // none of the signatures was made with one of the secrets for these bytes
  | 'content_type_unknown' // neither one event nor a batch
  | 'id_mismatch' // the header names another event than the body
  | 'body_invalid' // signed, but no event as CloudEvents 1.0 has them

/** A delivery that was not accepted. The message says what to do; it never has a secret, a header's value or the body. */
export class VerificationError extends Error {
  readonly code: VerificationCode

  constructor(code: VerificationCode, message: string) {
    super(message)
    this.name = 'VerificationError'
    this.code = code
  }
}
