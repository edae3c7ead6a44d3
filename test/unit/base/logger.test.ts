import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { suite, test } from 'node:test'
import { logLevelOf, setLogLevel, shareLogLevel } from '../../../src/base/logger.js'
import { RepeatedLines } from '../../../src/base/repeated-lines.js'

const LOGGER = new URL('../../../src/base/logger.js', import.meta.url).href

/** The lines that a program logs: standard error is the logger's only way out. */
function linesOf(program: string): Record<string, unknown>[] {
  const code = `import * as log from '${LOGGER}'\n${program}`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  return stderr
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>) // a line of the logger under test
}

suite('logger', () => {
  test('a changed level holds at once, for loggers and children that exist', () => {
    const lines = linesOf(`
      const level = log.shareLogLevel('info')
      const logger = log.createLogger(level, { thread: 't' })
      const child = logger.child({ part: 'p' })
      child.debug({}, 'one')
      log.setLogLevel(level, 'debug')
      child.debug({}, 'two')
      log.setLogLevel(level, 'error')
      logger.warn({}, 'three')
      child.error({}, 'four')
    `)
    assert.deepEqual(
      lines.map(({ msg, level, thread, part }) => [msg, level, thread, part]),
      [
        ['two', 'debug', 't', 'p'],
        ['four', 'error', 't', 'p'],
      ],
    )
  })

  test('an error that repeats is logged five times a second and then counted', () => {
    const lines = linesOf(`
      const logger = log.createLogger('info')
      for (let i = 0; i < 10_000; i += 1) logger.error({ i }, 'the same')
      logger.error({}, 'another')
      logger.info({ count: log.suppressedLineCount() }, 'end')
    `)
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['the same', 'the same', 'the same', 'the same', 'the same', 'another', 'end'],
    )
    assert.equal(lines.at(-1)?.['count'], 9_995)
  })

  test('fields with the names of secrets are not logged', () => {
    const [line] = linesOf(
      `log.createLogger('info').info({ token: 'abc', caller: { password: 'def', name: 'x' } }, 'who')`,
    )
    assert.equal(line?.['token'], '[redacted]')
    assert.deepEqual(line['caller'], { password: '[redacted]', name: 'x' })
  })

  test('a level can be read back', () => {
    const level = shareLogLevel('silent')
    assert.equal(logLevelOf(level), 'silent')
    setLogLevel(level, 'warn')
    assert.equal(logLevelOf(level), 'warn')
  })
})

suite('repeated lines', () => {
  test('the line after a pause says how many were left out', () => {
    const lines = new RepeatedLines()
    const shown = Array.from({ length: 8 }, () => lines.admit('m', 0))
    assert.deepEqual(shown, [0, 0, 0, 0, 0, null, null, null])
    assert.equal(lines.admit('m', 999), null)
    assert.equal(lines.admit('m', 1_000), 4)
    assert.equal(lines.admit('m', 1_001), 0)
    assert.equal(lines.total, 4)
  })

  test('a flood of different lines is bounded, too, and ends with the flood', () => {
    const lines = new RepeatedLines()
    let shown = 0
    for (let i = 0; i < 10_000; i += 1) if (lines.admit(`message ${i}`, 0) !== null) shown += 1
    assert.ok(shown < 100, String(shown))
    assert.equal(lines.admit('something else', 5_000), 0)
    assert.equal(lines.admit('message 1', 5_000), 0)
  })
})
