/** Names of copies by their dataset, so that what concerns one dataset costs what that one has. */

const NOTHING: ReadonlySet<string> = new Set()

/** The dataset's id in a copy's name, as targetPath makes it. */
export function datasetOfCopy(name: string): string {
  const end = name.indexOf('/')
  return end < 0 ? name : name.slice(0, end)
}

export class Holdings {
  readonly #byDataset = new Map<string, Set<string>>()
  #size = 0

  constructor(names: Iterable<string> = []) {
    for (const name of names) this.add(name)
  }

  get size(): number {
    return this.#size
  }

  add(name: string): void {
    const id = datasetOfCopy(name)
    const names = this.#byDataset.get(id)
    if (names === undefined) this.#byDataset.set(id, new Set([name]))
    else if (names.has(name)) return
    else names.add(name)
    this.#size += 1
  }

  delete(name: string): void {
    const id = datasetOfCopy(name)
    const names = this.#byDataset.get(id)
    if (names?.delete(name) !== true) return
    this.#size -= 1
    if (names.size === 0) this.#byDataset.delete(id)
  }

  /** Names of the dataset's copies. */
  of(datasetId: string): ReadonlySet<string> {
    return this.#byDataset.get(datasetId) ?? NOTHING
  }

  datasets(): Iterable<string> {
    return this.#byDataset.keys()
  }

  /** Datasets of which the other holds different copies. */
  differencesTo(other: Holdings): string[] {
    const ids = new Set([...this.#byDataset.keys(), ...other.#byDataset.keys()])
    return [...ids].filter((id) => {
      const [mine, theirs] = [this.of(id), other.of(id)]
      if (mine.size !== theirs.size) return true
      for (const name of mine) if (!theirs.has(name)) return true
      return false
    })
  }
}
