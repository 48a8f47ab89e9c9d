// Ends an HTTP request whose connection has died without anybody closing it. A slow connection may
// take as long as it needs: only the time between two pieces of the response is limited.

export interface SilenceWatch {
  /** The signal for `fetch`. It aborts after the silence, or when the caller's own signal does. */
  readonly signal: AbortSignal
  /**
   * Reads the whole body. A response without a body gives ''. The status doesn't matter: browsers
   * attach an empty stream to some responses that must not have a body.
   */
  readText(response: Response): Promise<string>
  /** Ends the watch. The request isn't aborted after that. */
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
    async readText({ body }) {
      restart()
      if (!body) return ''
      const decoder = new TextDecoder()
      const reader = body.getReader()
      let text = ''
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        restart()
        text += decoder.decode(piece.value, { stream: true })
      }
      return text + decoder.decode()
    },
    end() {
      clearTimeout(timer)
      callersSignal?.removeEventListener('abort', passOn)
    },
  }
}
