// A setting may name a secret of Tencent's Secrets Manager instead of holding it: `ssm:NAME`. What is in a secret must never
// get into a message.
import { AppError } from './errors.ts'

/** Whether a setting is meant to name a secret, well or badly. */
export const namesSecret = (setting: string): boolean => /^\s*ssm:/i.test(setting)

/** The name of the secret in `ssm:NAME`; undefined for anything else. Source of its form: Tencent 1105/40529. */
export const secretName = (setting: string): string | undefined =>
  /^ssm:([A-Za-z0-9][A-Za-z0-9_-]{0,127})$/.exec(setting)?.[1]

/** What is in the secrets that could be read, by variable; and why others could not, by the names of their variables. */
export interface Secrets {
  values: Record<string, string>
  failures: AppError[]
}

/** Reads the secrets that variables name, each once and all at the same time. Throws only what is no `AppError`. */
export async function readSecrets(
  named: ReadonlyMap<string, string>,
  read: (name: string) => Promise<string>,
): Promise<Secrets> {
  const contents = await Promise.all(
    [...new Set(named.values())].map(async (name) => ({ name, content: await read(name).catch(expected) })),
  )
  const values: Secrets['values'] = {}
  const unread = new Map<string, { error: AppError; settings: string[] }>()
  for (const { name, content } of contents) {
    const variables = [...named.keys()].filter((variable) => named.get(variable) === name)
    if (typeof content === 'string') {
      for (const variable of variables) values[variable] = content
    } else {
      // All of them may fail for one reason, and a message has its limits.
      const others = unread.get(content.message)?.settings ?? []
      const settings = [...others, `${variables.join(', ')} (secret ${name})`]
      unread.set(content.message, { error: content, settings })
    }
  }
  const failures = [...unread.values()].map(({ error, settings }) => {
    return new AppError(error.code, `${settings.join(', ')} could not be read: ${error.message}`)
  })
  return { values, failures }
}

function expected(error: unknown): AppError {
  if (error instanceof AppError) return error
  throw error
}
