// Fails the run when something collects listeners: Node only prints that as a warning.
function failOnLeak(warning: Error): void {
  if (warning.name === 'MaxListenersExceededWarning') throw warning
}

// a worker evaluates this file again for each file of tests
const isWatched = process.listeners('warning').some(({ name }) => name === failOnLeak.name)
if (!isWatched) process.on('warning', failOnLeak)
