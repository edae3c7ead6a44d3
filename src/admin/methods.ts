/** Which methods a path takes: for 405 and for OPTIONS. */
import type { Route } from './http.js'

interface PathMethods {
  readonly parts: readonly string[]
  readonly methods: string[]
}

export class MethodTable {
  readonly #paths: readonly PathMethods[]

  constructor(routes: readonly Route[]) {
    const byPath = new Map<string, PathMethods>()
    for (const { path, method } of routes) {
      const entry = byPath.get(path) ?? { parts: path.split('/'), methods: ['OPTIONS'] }
      entry.methods.push(...(method === 'GET' ? ['GET', 'HEAD'] : [method]))
      byPath.set(path, entry)
    }
    this.#paths = [...byPath.values()]
  }

  /** Sorted; empty when the path leads nowhere. */
  of(path: string): readonly string[] {
    const parts = path.split('/')
    const methods = this.#paths
      .filter((entry) => doesMatch(entry.parts, parts))
      .flatMap((entry) => entry.methods)
    return [...new Set(methods)].sort()
  }
}

function doesMatch(pattern: readonly string[], parts: readonly string[]): boolean {
  if (pattern.length !== parts.length) return false
  return pattern.every((part, index) => part.startsWith(':') || part === parts[index])
}
