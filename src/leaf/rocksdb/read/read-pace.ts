/**
 * How much one data thread reads at a time, over all its shards:
 *
 * - what is read on the thread itself and may be long goes in steps, a slice of them a loop turn, so that sockets and
 *   other reads get their turns in between;
 * - scans have slices of their own, in turns with those of rows, and some of them in turns with each other: a scan that
 *   looks at a million rows delays neither a row nor a scan of ten;
 * - of what is read on libuv's pool only so much is under way, so that values do not pile up faster than they are
 *   answered. A request's second reading goes before another's first.
 *
 * Rows and what is read on the pool in the order in which they came: requests are finished and answered one after the
 * other, so that at any time only the first of them holds a part of its answer. Only a request that takes long, for its
 * rows and the cells that were removed may be any number, lets those behind it go on: it takes its turns with the scans.
 */
import type { Clock } from '../../../base/clock.js'

/** A slice ends behind the step that reaches either, so that there is always one. The bytes take about as long. */
const SLICE_MS = 4
const SLICE_BYTES = 4 * 1024 * 1024

/** MultiGets of one thread on the pool, which has 8 threads; each is at most MAX_READ_BYTES. */
const MAX_POOL_READS = 8

/** Scans that take turns; those behind them wait. Each holds a cursor and its page. */
const MAX_ACTIVE_SCANS = 4

/** A page that is not through after so many slices, 256 ms, has come upon a long row: others take its turns. */
const SLICES_OF_PAGE = 64

/** A request whose rows are not through after so many slices, 16 ms, is set aside with the rest of them. */
const SLICES_OF_REQUEST = 4

/** Requests that were set aside; each holds a cursor, and a part of its answer. Beyond it nothing is set aside. */
const MAX_ASIDE = 64

/**
 * Scans among them: there is room for rows, too, however many pages come upon long ones. So 36 stuck scans, these and the
 * active ones, keep all other scans waiting until one of them ends or its deadline passes.
 */
const MAX_SCANS_ASIDE = 32

/** Of all that are set aside so many have a turn before the scans have theirs; then the next ones. */
const TURNS_OF_ASIDE = 4

/**
 * What they hold together: beyond it only the first goes on, to its end, and nothing is set aside that holds more than
 * little. So at most they hold this, what the first one adds, and a little each. The price: three or four reads that hold
 * 22 MiB each keep other rows waiting until one of them ends or its deadline passes.
 */
const MAX_ASIDE_BYTES = 64 * 1024 * 1024
const LITTLE_BYTES = MAX_ASIDE_BYTES / MAX_ASIDE

/** Reads a little; answers whether there is more to do. What it read it adds to `slice`. */
export type ReadStep = (slice: Slice) => boolean

export interface Slice {
  bytes: number
}

/** Whose rows are read. */
export interface PacedRequest {
  /** Of its answer, so far. */
  readonly heldBytes: number
}

interface QueuedStep {
  readonly step: ReadStep
  readonly request: PacedRequest
}

interface QueuedScan extends QueuedStep {
  /** That it had and was not through. */
  slices: number
}

/** Begins an asynchronous read; `release` is called once, when it has been answered. */
export type PoolRead = (release: () => void) => void

export class ReadPace {
  readonly #clock: Clock
  #steps: QueuedStep[] = []
  #nextStep = 0
  /** Slices in which the request of the first of them was not through. */
  #slicesOfFirst = 0
  readonly #aside: QueuedStep[] = []
  readonly #scans: QueuedScan[] = []
  /** Slices of this round that were had: first come those that were set aside, then the scans. */
  #turn = 0
  #isScanTurn = true
  /** Whether a slice is being read, or will be in a later turn. */
  #isDue = false
  readonly #continued: PoolRead[] = []
  readonly #begun: PoolRead[] = []
  #poolReads = 0
  #isStarting = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Queues what is read on this thread, of one row; `run` begins it. */
  addStep(step: ReadStep, request: PacedRequest = { heldBytes: 0 }): void {
    this.#steps.push({ step, request })
  }

  /** The same for a scan. */
  addScan(step: ReadStep, request: PacedRequest = { heldBytes: 0 }): void {
    this.#scans.push({ step, request, slices: 0 })
  }

  /** Reads a slice now, unless one is due already, and the rest in later turns. */
  run(): void {
    if (this.#isDue || !this.#hasWork) return
    this.#isDue = true
    this.#runSlice()
  }

  get #hasWork(): boolean {
    return this.#nextStep < this.#steps.length || this.#hasTurns
  }

  /** Scans, and what takes its turns as they do. */
  get #hasTurns(): boolean {
    return this.#scans.length > 0 || this.#aside.length > 0
  }

  #runSlice(): void {
    const slice = { bytes: 0 }
    const endMs = this.#clock.monotonicMs() + SLICE_MS
    const isOver = () => slice.bytes >= SLICE_BYTES || this.#clock.monotonicMs() >= endMs
    const hasSteps = this.#nextStep < this.#steps.length
    this.#isScanTurn = this.#hasTurns && (!hasSteps || !this.#isScanTurn)
    if (this.#isScanTurn) this.#runTurns(slice, isOver)
    else this.#runSteps(slice, isOver)
    this.#isDue = this.#hasWork
    if (this.#isDue) setImmediate(() => this.#runSlice())
  }

  #runSteps(slice: Slice, isOver: () => boolean): void {
    const request = this.#steps[0]?.request
    let goesOn: boolean
    do {
      goesOn = this.#steps[this.#nextStep]?.step(slice) === true
      if (!goesOn) this.#nextStep++
    } while (this.#nextStep < this.#steps.length && !isOver())
    // Steps that are done hold the keys of their requests.
    this.#steps.splice(0, this.#nextStep)
    this.#nextStep = 0
    const isSame = this.#steps[0]?.request === request
    if (!isSame) this.#slicesOfFirst = 0
    if ((isSame || goesOn) && ++this.#slicesOfFirst >= SLICES_OF_REQUEST) this.#setAside()
  }

  /** Lets other requests pass the first one, if there are any and it may be held meanwhile. */
  #setAside(): void {
    const [first] = this.#steps
    if (first === undefined) return
    const { request } = first
    const others = this.#steps.filter((queued) => queued.request !== request)
    if (others.length === 0 || !this.#mayHold(request)) return
    const rows = this.#steps.filter((queued) => queued.request === request)
    this.#steps = others
    this.#slicesOfFirst = 0
    const step = (slice: Slice): boolean => {
      if (rows[0]?.step(slice) !== true) rows.shift()
      return rows.length > 0
    }
    this.#aside.push({ step, request })
  }

  /** The next scans have their turns before it; one that is long and that others wait for is set aside. */
  #scanGivesWay(): void {
    const scan = this.#scans.shift()
    if (scan === undefined) return
    const isAside =
      ++scan.slices >= SLICES_OF_PAGE && this.#scans.length >= MAX_ACTIVE_SCANS && this.#mayHoldScan(scan)
    if (isAside) this.#aside.push(scan)
    else this.#scans.splice(MAX_ACTIVE_SCANS - 1, 0, scan)
  }

  #mayHoldScan({ request }: QueuedScan): boolean {
    return (
      this.#aside.filter((queued) => 'slices' in queued).length < MAX_SCANS_ASIDE && this.#mayHold(request)
    )
  }

  #mayHold({ heldBytes }: PacedRequest): boolean {
    if (this.#aside.length >= MAX_ASIDE) return false
    return heldBytes <= LITTLE_BYTES || this.#asideBytes() + heldBytes <= MAX_ASIDE_BYTES
  }

  #asideBytes(): number {
    return this.#aside.reduce((bytes, { request }) => bytes + request.heldBytes, 0)
  }

  /**
   * Those that end soon share a slice; one that does not gives way to the next at the slice's end. A slice is a turn also
   * when all that it read ended: whoever asks for more at once must not keep the others from theirs.
   */
  #runTurns(slice: Slice, isOver: () => boolean): void {
    const aside = Math.min(this.#aside.length, TURNS_OF_ASIDE)
    if (this.#turn >= aside + Math.min(this.#scans.length, MAX_ACTIVE_SCANS)) this.#turn = 0
    const isAside = this.#turn++ < aside
    const queue = isAside ? this.#aside : this.#scans
    let goesOn: boolean
    do {
      goesOn = queue[0]?.step(slice) === true
      if (!goesOn) queue.shift()
    } while (queue.length > 0 && !isOver())
    if (!goesOn) return
    if (!isAside) this.#scanGivesWay()
    // They go round: none waits for others to end, which may be as late as their deadlines.
    else if (this.#asideBytes() <= MAX_ASIDE_BYTES) this.#aside.push(...this.#aside.splice(0, 1))
  }

  /** Begins a read on the pool, at once or when others have been answered. */
  addPoolRead(read: PoolRead, isContinued: boolean): void {
    ;(isContinued ? this.#continued : this.#begun).push(read)
    this.#startPoolReads()
  }

  #startPoolReads(): void {
    // A read that is answered while it begins makes room itself: the loop below goes on, instead of a recursion.
    if (this.#isStarting) return
    this.#isStarting = true
    while (this.#poolReads < MAX_POOL_READS) {
      const read = this.#continued.shift() ?? this.#begun.shift()
      if (read === undefined) break
      this.#poolReads++
      read(() => {
        this.#poolReads--
        this.#startPoolReads()
      })
    }
    this.#isStarting = false
  }
}
