/** What a function URL sends back. Source: Tencent 583/96099. */
interface HttpAnswer {
  statusCode: number
  headers: Record<string, string>
  body: string
}

/** Function URL → 503 to every request, until there is a console. Reads no setting, and touches nothing. */
export async function main_handler(): Promise<HttpAnswer> {
  return {
    statusCode: 503,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
    body: 'The console is not in this version of Rollcall.\n',
  }
}
