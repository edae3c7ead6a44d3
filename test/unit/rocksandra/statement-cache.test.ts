import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { StatementCache } from '../../../shims/rocksandra/engine/statement-cache.js'

const LIMITS = { maxCachedCqlStatements: 3, maxCachedCqlChars: 10, maxCachedCqlTotalChars: 20 }

function cacheOf(texts: readonly string[], limits = LIMITS): StatementCache<{ text: string }> {
  const cache = new StatementCache(limits)
  for (const text of texts) cache.put(text, { text })
  return cache
}

function kept(cache: StatementCache<{ text: string }>, texts: readonly string[]): string[] {
  return texts.filter((text) => cache.take(text) !== null)
}

describe('StatementCache', () => {
  test('of too many the one goes that was not used for longest', () => {
    const cache = cacheOf(['a', 'b', 'c'])
    const used = cache.take('a')
    assert.ok(used !== null)
    cache.put('a', used)
    cache.put('d', { text: 'd' })
    assert.equal(cache.size, 3)
    assert.deepEqual(kept(cache, ['a', 'b', 'c', 'd']), ['a', 'c', 'd'])
    assert.equal(cache.chars, 0)
  })

  test('texts are bounded together', () => {
    const texts = ['123456789a', '123456789b', '123456789c']
    const cache = cacheOf(texts)
    assert.equal(cache.chars, 20)
    assert.deepEqual(kept(cache, texts), texts.slice(1))
  })

  test('a long text is not kept and takes no other’s place', () => {
    const cache = cacheOf(['a', 'b', 'x'.repeat(11)])
    assert.deepEqual(kept(cache, ['a', 'b', 'x'.repeat(11)]), ['a', 'b'])
  })

  test('the same text again counts once', () => {
    const cache = cacheOf(['aa', 'aa', 'aa'])
    assert.equal(cache.size, 1)
    assert.equal(cache.chars, 2)
  })

  test('a million different texts leave no more than is kept', () => {
    const cache = new StatementCache({ ...LIMITS, maxCachedCqlStatements: 100 })
    for (let index = 0; index < 1_000_000; index++) {
      const text = String(index % 10)
      cache.put(String(index), { text })
    }
    assert.equal(cache.size, 20)
    assert.equal(cache.chars, 20)
  })
})
