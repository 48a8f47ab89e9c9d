// Starts the page: the engine asks who is signed in while the page is put up.
import { mount } from 'svelte'
import App from './App.svelte'
import { watchFailures } from './lib/components/connection/failed-commands.ts'
import { startRouter } from './lib/router.svelte.ts'
import { engine } from './lib/stores/engine.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/markdown.css'
import './styles/panels.css'

startRouter()
watchFailures()
void engine.start()

// A page that the browser kept aside may be another user's by now.
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload()
})
addEventListener('online', () => engine.nudge())
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') engine.nudge()
})

const target = document.getElementById('app')
if (target) mount(App, { target })
