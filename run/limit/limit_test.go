package limit

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Flags
		want string // as JSON
	}{
		{"nothing", Flags{}, `{}`},
		{"memory", Flags{Memory: "64m", MemorySwap: "-1", MemoryReservation: "32M"}, `{"Memory":67108864,"MemoryReservation":33554432,"MemorySwap":-1}`},
		{"half a gigabyte", Flags{Memory: "0.5g"}, `{"Memory":536870912}`},
		{"bytes", Flags{Memory: "7000000b"}, `{"Memory":7000000}`},
		{"processors", Flags{CPUs: "1.25"}, `{"NanoCPUs":1250000000}`},
		{"processors without a zero", Flags{CPUs: ".5"}, `{"NanoCPUs":500000000}`},
		{"shares and quota", Flags{CPUShares: "512", CPUPeriod: "50000", CPUQuota: "25000"}, `{"CPUShares":512,"CPUPeriod":50000,"CPUQuota":25000}`},
		{"sets", Flags{CpusetCpus: "0-1,3", CpusetMems: "0"}, `{"CpusetCpus":"0-1,3","CpusetMems":"0"}`},
		{"processes", Flags{PidsLimit: "-1"}, `{"PidsLimit":-1}`},
		{"rates", Flags{DeviceReadBps: []string{"/dev/sda:1mb"}, DeviceWriteIOps: []string{"/dev/sda:30", "/dev/sdb:40"}},
			`{"ReadBps":[{"Path":"/dev/sda","Rate":1048576}],"WriteIOps":[{"Path":"/dev/sda","Rate":30},{"Path":"/dev/sdb","Rate":40}]}`},
	} {
		var l Limits
		if err := l.Read(c.f); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		got, _ := json.Marshal(l)
		var back Limits
		if err := json.Unmarshal(got, &back); err != nil {
			t.Error(err)
		}
		if again, _ := json.Marshal(back); string(got) != c.want || string(again) != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		f    Flags
		want string
	}{
		{Flags{Memory: "x"}, `invalid argument "x" for "-m, --memory" flag: invalid size: 'x'`},
		{Flags{Memory: "-1"}, `invalid size: '-1'`},
		{Flags{CPUs: "many"}, `failed to parse many as a rational number`},
		{Flags{CPUs: "0.0000000001"}, `value is too precise`},
		{Flags{CPUs: "1e999999999"}, `--cpus`},
		{Flags{CPUShares: "1.5"}, `"-c, --cpu-shares" flag`},
		{Flags{BlkioWeight: "70000"}, `--blkio-weight`},
		{Flags{DeviceReadBps: []string{"sda"}}, `bad format: sda`},
		{Flags{DeviceReadBps: []string{"sda:1"}}, `bad format for device path: sda:1`},
		{Flags{DeviceWriteBps: []string{"/dev/sda:fast"}}, `The correct format is <device-path>:<number>[<unit>]`},
		{Flags{DeviceReadIOps: []string{"/dev/sda:1k"}}, `The correct format is <device-path>:<number>.`},
	} {
		var l Limits
		if err := l.Read(c.f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %s", c.f, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	h := Host{CPUs: 2, CPUSet: "0-1", MemorySet: "0"}
	for _, c := range []struct {
		l       Limits
		updated bool
		want    string // a part of the error; "" is none
	}{
		{Limits{}, false, ""},
		{Limits{Memory: 6 << 20, MemorySwap: 6 << 20, NanoCPUs: 2e9, PidsLimit: -1, BlkioWeight: 10, CpusetCpus: "1", CpusetMems: "0"}, false, ""},
		{Limits{Memory: 6<<20 - 1}, false, "Minimum memory limit allowed is 6MB"},
		{Limits{Memory: 10 << 20, MemorySwap: 9 << 20}, false, "Minimum memoryswap limit should be larger than memory limit"},
		{Limits{Memory: 10 << 20, MemorySwap: 9 << 20}, true, "update the memoryswap at the same time"},
		{Limits{MemorySwap: 9 << 20}, false, "You should always set the Memory limit"},
		{Limits{MemorySwap: -1}, false, ""},
		{Limits{MemoryReservation: 1}, false, "Minimum memory reservation allowed is 6MB"},
		{Limits{Memory: 10 << 20, MemoryReservation: 11 << 20}, false, "can not be less than memory reservation"},
		{Limits{NanoCPUs: 1e9, CPUPeriod: 1000}, false, "Nano CPUs and CPU Period"},
		{Limits{NanoCPUs: 1e9, CPUQuota: 1000}, false, "Nano CPUs and CPU Quota"},
		{Limits{NanoCPUs: 2e9 + 1}, false, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"},
		{Limits{NanoCPUs: -1}, false, "Range of CPUs"},
		{Limits{NanoCPUs: 1}, false, "Range of CPUs"},
		{Limits{CPUPeriod: 999}, false, "CPU cfs period"},
		{Limits{CPUQuota: 999}, false, "CPU cfs quota"},
		{Limits{CPUShares: -1}, false, "CPU shares"},
		{Limits{BlkioWeight: 5}, false, "Range of blkio weight is from 10 to 1000"},
		{Limits{PidsLimit: -2}, false, "pids limit"},
		{Limits{CpusetCpus: "2"}, false, "Requested CPUs are not available - requested 2, available: 0-1"},
		{Limits{CpusetCpus: "1-0"}, false, "Invalid value 1-0 for cpuset cpus"},
		{Limits{CpusetCpus: "0-999999999"}, false, "Invalid value"},
		{Limits{CpusetMems: "1"}, false, "Requested memory nodes are not available"},
	} {
		err := c.l.Check(h, c.updated)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: got %v, want %q", c.l, err, c.want)
		}
	}
}

func TestResources(t *testing.T) {
	if r, err := (Limits{}).Resources(); r != nil || err != nil {
		t.Errorf("nothing is limited, but %v, %v", r, err)
	}
	for _, c := range []struct {
		l    Limits
		want string
	}{
		{Limits{Memory: 8 << 20}, `{"memory":{"limit":8388608,"swap":16777216}}`},
		{Limits{Memory: 8 << 20, MemorySwap: -1}, `{"memory":{"limit":8388608,"swap":-1}}`},
		{Limits{NanoCPUs: 15e8}, `{"cpu":{"quota":150000,"period":100000}}`},
		{Limits{CPUShares: 2, CpusetCpus: "0"}, `{"cpu":{"shares":2,"cpus":"0"}}`},
		{Limits{PidsLimit: -1}, `{"pids":{"limit":-1}}`},
		{Limits{BlkioWeight: 300}, `{"blockIO":{"weight":300}}`},
	} {
		r, err := c.l.Resources()
		got, _ := json.Marshal(r)
		if err != nil || string(got) != c.want {
			t.Errorf("%+v: got %s (%v), want %s", c.l, got, err, c.want)
		}
	}
	for _, path := range []string{"/dev/null", "/dev/there-is-none"} {
		if _, err := (Limits{ReadBps: []Rate{{path, 1}}}).Resources(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestNeeds(t *testing.T) {
	got := Limits{MemorySwap: -1, NanoCPUs: 1, CPUShares: 1, PidsLimit: 3, ReadBps: []Rate{{}}}.Needs()
	want := []Need{{"memory", "--memory-swap"}, {"cpu", "--cpus"}, {"pids", "--pids-limit"}, {"io", "--device-read-bps"}}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
}
