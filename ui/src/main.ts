// Starts the page. The engine asks the server who is signed in while the texts are loaded.
import { mount } from 'svelte'
import App from './App.svelte'
import { watchFailedCommands } from './lib/components/connection/failed-commands.ts'
import { loadCatalogue } from './lib/load-catalogue.ts'
import { startRouter } from './lib/router.svelte.ts'
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
const target = document.getElementById('app')
if (target) void show(target)
