// An uploaded zip: read once, checked, and unpacked into a folder of its own on first need. Limits: 50 MB to create, 20 MB
// to update, 500 MB unpacked (Tencent 583/11637 and the comments of the API's models). Inferred: a zip without the
// handler's file is refused at the upload; the real SCF may take it and fail the first invocation with status 437.
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { unzipSync } from 'fflate'
import { invalid } from './api-error.ts'

export interface Code {
  bytes: number
  files: Record<string, Uint8Array>
  /** Where it is unpacked. */
  folder?: Promise<string>
}

const MB = 1_048_576

/** Throws InvalidParameterValue.… when it is no zip, or too large, or lacks the file of the handler. */
export function readCode(base64: string, limitMb: number, handler: string): Code {
  const zip = Buffer.from(base64, 'base64')
  if (base64 === '' || zip.toString('base64') !== base64) {
    invalid('ZipFileBase64BinasciiError', 'ZipFile is not Base64.')
  }
  if (zip.length > limitMb * MB) {
    invalid('ZipFile', `ZipFile has ${zip.length} bytes, more than ${limitMb} MB.`)
  }
  const files = unzip(zip)
  if (Object.values(files).reduce((sum, file) => sum + file.length, 0) > 500 * MB) {
    invalid('Code', 'The code is larger than 500 MB when unpacked.')
  }
  const code = { bytes: zip.length, files }
  assertHolds(code, handler)
  return code
}

/** Throws InvalidParameterValue.Handler unless the code has the handler's file. */
export function assertHolds({ files }: Code, handler: string): void {
  const file = `${handler.split('.')[0]}.js`
  if (!(file in files)) invalid('Handler', `The code has no ${file} for ${handler}.`)
}

/** The folder that holds the code, unpacked below `root` on the first call. */
export function unpack(code: Code, root: string): Promise<string> {
  code.folder ??= (async () => {
    const folder = join(root, `code-${crypto.randomUUID()}`)
    for (const [name, content] of Object.entries(code.files)) {
      if (name.endsWith('/')) continue
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), content)
    }
    return folder
  })()
  return code.folder
}

function unzip(zip: Buffer): Record<string, Uint8Array> {
  try {
    const files = unzipSync(zip)
    if (Object.keys(files).some((name) => name.split('/').includes('..'))) throw new Error('a name leads out of it')
    return files
  } catch (error) {
    invalid('ZipFile', `ZipFile is no standard zip: ${String(error)}`)
  }
}
