// node scripts/image-size.mjs [DIR]: the size of the image as the sum of its layers' files, without Docker; fails above the
// limit. Measured: the application's layer, which is in DIR or is staged for it, and node's binary, which is the one that
// runs this. Stated: the base image.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stageImage } from './stage-image.mjs'

const LIMIT_BYTES = 250_000_000

/**
 * debian:bookworm-slim, linux/amd64, "total size of all layers on-disk", in September 2026: docker-library/repo-info,
 * repos/debian/local/bookworm-slim.md. It has changed by less than 1 MB in two years.
 */
const BASE_BYTES = 74_830_000

function bytesBelow(folder) {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) bytes += bytesBelow(path)
    else if (entry.isFile()) bytes += statSync(path).size
  }
  return bytes
}

/** What is printed: layer by layer, then the sum. Answers the sum in bytes. @param app the staged layer */
function printSizes(app) {
  const layers = {
    'debian:bookworm-slim': BASE_BYTES,
    [`node ${process.version}`]: statSync(process.execPath).size,
    node_modules: bytesBelow(join(app, 'node_modules')),
    dist: bytesBelow(join(app, 'dist')),
  }
  const bytes = Object.values(layers).reduce((sum, size) => sum + size, 0)
  for (const [name, size] of [...Object.entries(layers), ['sum', bytes]]) {
    process.stdout.write(`${name.padEnd(24)}${(size / 1e6).toFixed(1).padStart(8)} MB\n`)
  }
  return bytes
}

const given = process.argv[2]
const staged = given ?? mkdtempSync(join(tmpdir(), 'godwit-image-'))
try {
  if (given === undefined) stageImage(staged, fileURLToPath(new URL('../dist', import.meta.url)))
  if (printSizes(staged) > LIMIT_BYTES) {
    process.stdout.write(`image-size: more than ${LIMIT_BYTES / 1e6} MB\n`)
    process.exitCode = 1
  }
} finally {
  if (given === undefined) rmSync(staged, { recursive: true, force: true })
}
