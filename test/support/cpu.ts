// How much a piece of work costs, whatever else the machine does meanwhile.

/** Milliseconds of the processor that this process uses for `work`. */
export function cpuMilliseconds(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
