// Ends an HTTP request whose connection has died without anybody closing it. A slow connection may
// take as long as it needs: only the time between two pieces of the response is limited.

export interface SilenceWatch {
  /** For `fetch`. Aborts after the silence, or when the caller's own signal does. */
  readonly signal: AbortSignal
  /** The response, whose body is watched as well. */
  watch(response: Response): Response
  /** Ends the watch; afterwards nothing aborts any more. */
  end(): void
}

/** @param ms the longest silence, in milliseconds: before the response, and between its pieces */
export function abortWhenSilent(ms: number, callersSignal?: AbortSignal): SilenceWatch {
  const controller = new AbortController()
  let timer: ReturnType<typeof setTimeout>
  const restart = () => {
    clearTimeout(timer)
    timer = setTimeout(
      () => controller.abort(new DOMException('The server was silent', 'TimeoutError')),
      ms,
    )
  }
  const passOn = () => controller.abort(callersSignal?.reason)
  if (callersSignal?.aborted) passOn()
  else callersSignal?.addEventListener('abort', passOn, { once: true })
  restart()
  return {
    signal: controller.signal,
    watch(response) {
      restart()
      const { body, status, headers } = response
      if (!body) return response
      const watched = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(piece, stream) {
          restart()
          stream.enqueue(piece)
        },
      })
      return new Response(body.pipeThrough(watched), { status, headers })
    },
    end() {
      clearTimeout(timer)
      callersSignal?.removeEventListener('abort', passOn)
    },
  }
}
