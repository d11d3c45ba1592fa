package monitor

// Usage is what the processes of a container use, as /proc tells.
type Usage struct {
	CPUTicks     uint64 // hundredths of a second, with those of children that were waited for
	Memory       uint64 // bytes; shared pages are counted in part
	BlockRead    uint64 // bytes
	BlockWritten uint64
	Threads      uint64
}
