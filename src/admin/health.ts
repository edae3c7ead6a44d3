/** Liveness and readiness. */
import type { Readiness } from '../model/operations.js'
import type { HttpAnswer } from './http.js'

/** The process answers; that is all a supervisor should restart it for. */
export function livenessAnswer(): HttpAnswer {
  return { status: 200, body: { status: 'ok' } }
}

/** 503 with every reason while the gateway starts, drains or lacks something; 200 otherwise. */
export function readinessAnswer({ isReady, reasons }: Readiness): HttpAnswer {
  return { status: isReady ? 200 : 503, body: { status: isReady ? 'ready' : 'not ready', reasons } }
}
