// Tells a person that little is left of what the server limits, before it is used up. Each step is
// told once per window.
import type { Quota } from '@lockstep/protocol/usage'
import { notify } from './components/overlays/overlays.svelte.ts'
import { loadCatalogue } from './load-catalogue.ts'
import { navigate } from './router.svelte.ts'
import { connection } from './stores/connection.svelte.ts'
import { engine } from './stores/engine.ts'
import { loadLaterTexts, shownLanguage, t, type TextKey } from './texts.ts'
import { percentOf, quotaName } from './quota-texts.ts'

/** In percent. */
const steps = [100, 90] as const
/** Usage is looked at again this long after the last look, if something has changed (ms). */
const lookAgainMs = 60_000

const told = new Set<string>()
let isWatching = false
let timer: ReturnType<typeof setTimeout> | undefined

/** The quotas of which little is left. */
async function look(): Promise<void> {
  const { quotas } = await engine.call('getUsage')
  const due = quotas.flatMap((quota) => {
    const step = steps.find((step) => percentOf(quota) >= step)
    const key = `${quota.name} ${step} ${quota.resets_at}`
    if (step === undefined || told.has(key)) return []
    told.add(key)
    return [quota]
  })
  if (due.length === 0) return
  await loadLaterTexts(loadCatalogue)
  const [full, nearlyFull] = [
    due.filter((quota) => percentOf(quota) >= 100),
    due.filter((quota) => percentOf(quota) < 100),
  ]
  announce(nearlyFull, ['usage.nearlyUsed', 'usage.severalNearlyUsed'])
  announce(full, ['usage.allUsed', 'usage.severalAllUsed'])
}

/** In one notice: among several, each could take the place of one that nobody has seen yet. */
function announce(quotas: readonly Quota[], [ofOne, ofSeveral]: readonly [TextKey, TextKey]): void {
  const [first, second] = quotas
  if (!first) return
  const percent = (quota: Quota) => Math.min(100, percentOf(quota))
  const named = quotas.map(
    (quota) => `${quotaName(quota.name)} ${t('usage.percent', { percent: percent(quota) })}`,
  )
  const text = second
    ? t(ofSeveral, { what: new Intl.ListFormat(shownLanguage()).format(named) })
    : t(ofOne, { what: quotaName(first.name), percent: percent(first) })
  notify(text, {
    kind: 'error',
    action: { label: t('usage.show'), run: () => navigate('/app/settings/data') },
  })
}

function lookLater(): void {
  timer ??= setTimeout(() => {
    timer = undefined
    if (connection.isConnected) void look().catch(() => undefined)
  }, lookAgainMs)
}

/** Looks now, and from now on when something has changed. Rejects if the server doesn't answer. */
export function watchQuotas(): Promise<void> {
  if (!isWatching) {
    isWatching = true
    engine.conversations.subscribe(lookLater)
    engine.agents.subscribe(lookLater)
  }
  return look()
}
