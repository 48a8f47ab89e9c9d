// Runs the operators' commands on the files of the embedded database. It is loaded only then, so
// that an image can leave it out.
import type { DataCommand } from './operator/command-line.ts'
import type { OperatorTerminal } from './operator/run-command.ts'

/** Returns false if something is damaged or lost. An error’s message is for people. */
export async function runDataCommand(
  command: DataCommand,
  dataDir: string,
  terminal: OperatorTerminal,
): Promise<boolean> {
  switch (command.name) {
    case 'backup': {
      const { backupData } = await import('@lockstep/embedded-mongo/backup')
      await backupData(dataDir, command.file)
      terminal.tell(
        `The database is in ${command.file}. Keep it where the disk can't take it along`,
      )
      return true
    }
    case 'restore': {
      const { restoreData } = await import('@lockstep/embedded-mongo/backup')
      const former = restoreData(dataDir, command.file)
      if (former !== undefined) terminal.tell(`The former data are in ${former}`)
      terminal.tell('The backup is in place. Run `lockstep new-epoch`, then start the node')
      return true
    }
    case 'verify': {
      const { verifyData } = await import('@lockstep/embedded-mongo/verify')
      const { documents, faults } = verifyData(command.file ?? dataDir)
      for (const fault of faults) await terminal.print(JSON.stringify({ fault }))
      terminal.tell(`${documents} documents, ${faults.length} faults`)
      return faults.length === 0
    }
    case 'repair': {
      const { repairData } = await import('@lockstep/embedded-mongo/repair')
      const { documents, lost, former } = await repairData(dataDir)
      for (const one of lost) await terminal.print(JSON.stringify({ lost: one }))
      terminal.tell(
        `${documents} documents are whole, ${lost.length} things are lost. The damaged files are in ${former}. Run \`lockstep new-epoch\`, then start the node`,
      )
      return lost.length === 0
    }
  }
}
