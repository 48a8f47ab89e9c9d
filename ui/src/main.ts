// Starts the page. The engine asks the server who is signed in while the texts are loaded.
import { mount } from 'svelte'
import App from './App.svelte'
import { watchFailedCommands } from './lib/components/connection/failed-commands.ts'
import { loadMarkdown } from './lib/components/markdown/load-markdown.ts'
import { loadCatalogue } from './lib/load-catalogue.ts'
import { match, route, startRouter } from './lib/router.svelte.ts'
import { engine } from './lib/stores/engine.ts'
import { languageFor, showLanguage } from './lib/texts.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/markdown.css'
import './styles/panels.css'
import './styles/print.css'

/** The texts are asked for again this long after a failure. */
const retryMs = 2000

startRouter()
watchFailedCommands()
void engine.start()

// A page restored from the back/forward cache may belong to a user who has since signed out.
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload()
})
addEventListener('online', () => engine.nudge())
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') engine.nudge()
})

/** Until it is known who is signed in, the browser's languages decide. */
async function show(target: HTMLElement): Promise<void> {
  const language = languageFor(undefined, navigator.languages)
  for (;;) {
    try {
      await showLanguage(language, loadCatalogue)
      break
    } catch {
      await new Promise((resolve) => setTimeout(resolve, retryMs))
    }
  }
  mount(App, { target })
}
/**
 * Whoever opens a page of the app is signed in, as a rule. So its code comes while the server is
 * asked who it is. What didn't come is asked for again where it is needed.
 */
function loadPage(): void {
  const { path } = route
  const isStart = path === '/app' || path === '/app/new'
  if (!isStart && !match('/app/c/:id')) return
  const page = isStart ? import('./lib/components/composer/NewChat.svelte') : loadMarkdown()
  void Promise.all([import('./pages/Shell.svelte'), page]).catch(() => undefined)
}

const target = document.getElementById('app')
if (target) void show(target)
loadPage()
