// Starts the page. The engine asks the server who is signed in while the page is mounted.
import { mount } from 'svelte'
import App from './App.svelte'
import { watchFailedCommands } from './lib/components/connection/failed-commands.ts'
import { startRouter } from './lib/router.svelte.ts'
import { engine } from './lib/stores/engine.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/markdown.css'
import './styles/panels.css'

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

const target = document.getElementById('app')
if (target) mount(App, { target })
