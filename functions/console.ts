export async function main_handler(): Promise<object> {
  return { statusCode: 503 }
}
