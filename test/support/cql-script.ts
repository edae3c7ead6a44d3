/**
 * Statements and what they answer, as one text: a line that begins at its start is a statement, indented ones below it are
 * its rows, `a | b`, or `!! code text` for a refusal. None: nothing is answered, or no rows.
 */
import assert from 'node:assert/strict'
import { type Client, types } from 'cassandra-driver'

interface Step {
  readonly statement: string
  readonly expected: string[]
}

function stepsOf(script: string): Step[] {
  const steps: Step[] = []
  for (const line of script.split('\n')) {
    if (line.trim() === '') continue
    if (line.startsWith(' ')) steps.at(-1)?.expected.push(line.trim())
    else steps.push({ statement: line, expected: [] })
  }
  return steps
}

/** Runs them one after the other. */
export async function runScript(client: Client, script: string): Promise<void> {
  for (const { statement, expected } of stepsOf(script)) {
    assert.deepEqual(await answerOf(client, statement), expected, statement)
  }
}

async function answerOf(client: Client, statement: string): Promise<string[]> {
  try {
    const answer = await client.execute(statement, [], { fetchSize: 5_000 })
    // A statement that answers no rows has none, whatever the driver's declaration says.
    const rows = (answer.rows as types.Row[] | undefined) ?? []
    return rows.map((row) => row.values().map(textOf).join(' | ').trim())
  } catch (error) {
    const { code, message } = error as { readonly code?: number; readonly message: string }
    return [`!! ${code?.toString(16) ?? 'fault'} ${message}`.trim()]
  }
}

function textOf(value: unknown): string {
  // Of numbers, texts and the driver's own types, which all have one.
  const text = String(value)
  if (value === null || value === undefined) return 'null'
  if (Buffer.isBuffer(value)) return `0x${value.toString('hex')}`
  if (value instanceof types.Tuple) return `(${value.values().map(textOf).join(', ')})`
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype) return JSON.stringify(value)
  return text
}
