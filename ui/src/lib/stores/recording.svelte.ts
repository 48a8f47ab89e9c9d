// Records for developers what this device does, as long as their account's preference says so. The
// preference starts all of the user's devices, because a device that doesn't record doesn't report
// which changes it has.
import { startRecorder, type Recorder } from '@lockstep/devtools'
import { engine, wire } from './engine.ts'
import { preferences } from './preferences.svelte.ts'

let recorder = $state.raw<Recorder>()

export const recording = {
  /** Undefined while nothing is recorded. */
  get recorder(): Recorder | undefined {
    return recorder
  },
}

$effect.root(() => {
  // Derived, so that a change of another preference doesn't begin a new recording.
  const isOn = $derived(preferences.developerTools)
  $effect(() => {
    if (!isOn) return
    const started = startRecorder(engine, wire)
    recorder = started
    return () => {
      started.stop()
      recorder = undefined
    }
  })
})
