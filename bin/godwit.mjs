#!/usr/bin/env node
// The godwit command. In a source checkout it first installs and compiles what changed.
import { existsSync } from 'node:fs'

const ensureScript = new URL('../scripts/ensure.mjs', import.meta.url)
if (existsSync(ensureScript) && existsSync(new URL('../tsconfig.json', import.meta.url))) {
  const { ensureProgram } = await import(ensureScript.href)
  ensureProgram()
}
await import('../dist/src/main.js')
