/** How calls of both gateways are answered, whatever each calls its exceptions. */
import { type Done, KVError, toKVError } from '../../src/base/errors.js'
import { ApplicationExceptionType } from '../../src/thrift/application-exception.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import type { HBaseFault } from './hbase-errors.js'

type AnyCall = ThriftCall<never, never>

/** Answers a call with a failure, in the words of its gateway. */
export type Refuse = (call: AnyCall, error: KVError) => void

interface Answers {
  /** Runs what a call asks for; whatever it throws is the call's answer. */
  readonly serve: (call: AnyCall, run: () => void) => void
  /** A value for the call, or the failure in its words. */
  readonly answer: <T, R>(call: ThriftCall<R, never>, reply: (value: T) => R) => Done<T>
}

export function answersBy(refuse: Refuse): Answers {
  return {
    serve(call, run) {
      try {
        run()
      } catch (error) {
        refuse(call, toKVError(error, call.method))
      }
    },
    answer(call, reply) {
      return (outcome) => {
        if (outcome instanceof KVError) refuse(call, outcome)
        else call.reply(reply(outcome))
      }
    },
  }
}

/** What Thrift reports of a handler that failed. */
export function abort(call: AnyCall, { text }: HBaseFault): void {
  call.abort(ApplicationExceptionType.INTERNAL_ERROR, `Internal error processing ${call.method}: ${text}`)
}
