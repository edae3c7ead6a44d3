// The image's health check: ends with 0 when the gateway answers /readyz, with 1 and the reasons when it does not. GODWIT's
// own settings say where it listens; READYZ_URL overrides them where the port stands in a configuration file.
const port =
  Number(process.env.GODWIT_LISTENERS_ADMIN_PORT ?? 7380) + Number(process.env.GODWIT_PORT_OFFSET ?? 0)
const url = process.env.READYZ_URL ?? `http://127.0.0.1:${port}/readyz`

try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(3_000) })
  if (!answer.ok) throw new Error(`${answer.status}: ${(await answer.text()).slice(0, 500)}`)
} catch (error) {
  const reason = error instanceof Error ? (error.cause?.message ?? error.message) : String(error)
  process.stdout.write(`healthcheck: ${url}: ${reason}\n`)
  process.exitCode = 1
}
