# SPDX-License-Identifier: Apache-2.0
"""[HOST] What the benchmark's figures become: one result, a text table, a chart, the table of docs/performance.md, and the comparison with the baseline. A result is

  {"figures": {name: {"value", "with64"}}, "rows": {name: {"min", "med", "p99", "mitigated", "with64", "counts": {kind: n}}}, "cpuid": [[file, first, last, function, n, source]], "guest": n}

with only what was measured in it. The documents are made of the baseline alone, so that a test can tell without an emulator that they are stale."""
import json
import math
import os

import trace

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests", "bench")
BASELINE = os.path.join(HERE, "baseline.json")
PAGE = os.path.join(ROOT, "docs", "performance.md")
CHART = os.path.join(ROOT, "docs", "bench.svg")
BEGIN, END = "<!-- made by `make bench BASELINE=write`: do not edit -->", "<!-- end of what is made -->"
MAY_GROW = 1.02     # against the baseline
WITH_IDLE = 1.10    # with 64 idle domains
EMPTY = 5           # ticks of the empty loop

# Goals for the minimum, mitigations off. Of a boot or of the host first, then rows.
FIGURE_GOALS = {"boot_to_prompt": 30_000_000, "create_to_first_instruction": 1_000_000, "root_memory": 2 << 20, "dom0_memory": 32 << 20, "create_overhead": 128 << 10,
                "dom0_idle_second": 500, "dom0_idle_exits": 5}
# dom0_idle_*: one timer that fires each second would be more than either. Of net_stream_dom0: Dom0's and root's share of one frame of 1500 bytes.
ROW_GOALS = {"cpuid": 150, "hypercall_xen": 150, "out_e0": 180, "in_e0": 180, "rdmsr_apic_base": 160, "rdmsr_misc_enable": 160, "x2apic_arm_timer": 300, "x2apic_icr_ipi_full": 350,
             "x2apic_self_ipi_full": 40, "x2apic_write_eoi": 10, "x2apic_write_tpr": 10, "evtchn_self_full": 600, "x2apic_timer_hlt_cycle": 1000, "x2apic_oneshot_hlt_cycle": 1000,
             "singleshot_hlt_cycle": 1000, "dom0_event_and_back": 2500, "disk_read_4k": 6000, "disk_write_4k": 6000, "net_stream_dom0": 6000}
FIGURES = {
    "boot_to_prompt": "loader's jump to Dom0's first prompt, ticks", "boot_to_dom0": "loader's jump to Dom0's first instruction, ticks",
    "create_to_first_instruction": "`create` of a 64 MiB guest, typed line to its first instruction, ticks", "destroy": "`destroy` of a 64 MiB guest, ticks",
    "domain_pause": "pausing a domain (Dom0's request), ticks", "domain_unpause": "unpausing it, ticks",
    "root_memory": "the hypervisor's memory without the frame table, bytes", "frame_table": "frame table (1 GiB host), bytes", "dom0_memory": "Dom0's memory, all of it, bytes",
    "create_overhead": "the hypervisor's memory for a 64 MiB guest, bytes",
    "dom0_idle_second": "Dom0 in one second with one idle guest, ticks", "dom0_idle_exits": "its exits in ten such seconds",
}
# In the order of the tables: row, what it is. What is measured and not named here comes last.
ROWS = {
    "empty": "nothing (two time stamps)", "pause": "PAUSE", "cpuid": "CPUID", "hypercall_xen": "hypercall: XENVER_version",
    "out_e0": "OUT to a port that nothing has", "in_e0": "IN from a port that nothing has",
    "out_80": "OUT to port 0x80", "in_80": "IN from port 0x80", "in_61": "IN from port 0x61", "in_uart_lsr": "IN from COM1",
    "rdmsr_apic_base": "RDMSR IA32_APIC_BASE", "wrmsr_apic_base": "WRMSR IA32_APIC_BASE", "rdmsr_misc_enable": "RDMSR IA32_MISC_ENABLE", "rdmsr_pat": "RDMSR IA32_PAT",
    "wrmsr_pat": "WRMSR IA32_PAT", "rdmsr_fs_base": "RDMSR FS.base", "wrmsr_fs_base": "WRMSR FS.base", "wbinvd": "WBINVD", "xsetbv": "XSETBV",
    "write_cr0_ts": "CR0.TS changed", "write_cr0_am": "CR0.AM changed", "write_cr3": "CR3 written", "write_cr4_pge": "CR4.PGE changed", "write_cr4_pce": "CR4.PCE changed",
    "x2apic_read_id": "x2APIC: read ID", "x2apic_read_version": "x2APIC: read version", "x2apic_read_tpr": "x2APIC: read TPR", "x2apic_read_timer": "x2APIC: read the timer's count",
    "x2apic_write_tpr": "x2APIC: write TPR", "x2apic_write_eoi": "x2APIC: write EOI", "x2apic_write_lint0": "x2APIC: write LVT LINT0", "x2apic_arm_timer": "x2APIC: arm the timer",
    "x2apic_icr_ipi_deliver": "IPI to itself by ICR, to the handler", "x2apic_icr_ipi_full": "IPI to itself by ICR, until the code goes on",
    "x2apic_self_ipi_deliver": "IPI to itself by SELF_IPI, to the handler", "x2apic_self_ipi_full": "IPI to itself by SELF_IPI, until the code goes on",
    "ipi_other_cpu_awake": "IPI to a vCPU that runs on another CPU, to its handler", "ipi_other_cpu_awake_seen": "the same until the sender sees it",
    "ipi_other_cpu_asleep": "IPI to a vCPU that sleeps on another CPU, to its handler", "ipi_other_cpu_asleep_seen": "the same until the sender sees it",
    "x2apic_timer_late_hlt": "TSC deadline: lateness in HLT", "x2apic_timer_hlt_cycle": "TSC deadline: arm, HLT, handler, EOI",
    "x2apic_oneshot_late_hlt": "APIC timer: lateness in HLT, arming included", "x2apic_oneshot_late_spin": "APIC timer: lateness while it computes, arming included",
    "x2apic_oneshot_hlt_cycle": "APIC timer: arm, HLT, handler, EOI",
    "singleshot_late_hlt": "Xen's single-shot timer: lateness in HLT, arming included", "singleshot_hlt_cycle": "Xen's single-shot timer: arm, HLT, handler",
    "evtchn_self_deliver": "event to itself, to the handler", "evtchn_self_full": "event to itself, until the code goes on", "event_to_nobody": "event that nobody takes",
    "yield_to_nobody": "yield, nobody else there", "event_domu_and_back": "event to another guest and back, asleep meanwhile",
    "dom0_event_and_back": "event to Dom0's disk thread and back, asleep meanwhile",
    "grant_map_4k": "map another guest's page", "grant_unmap_4k": "unmap another guest's page", "grant_copy_4k": "copy another guest's page (512 are its bytes)",
    "touch_write_fresh": "first write to a page of 4 KiB", "touch_2m_fresh": "first write to 2 MiB", "touch_read_fresh": "first read of a page of 4 KiB",
    "touch_write_again": "second write", "touch_write_after_read": "write after the first read",
    "disk_read_4k": "disk in memory: read 4 KiB, until the answer", "disk_write_4k": "the same: write", "disk_read_128k": "the same: read 128 KiB in one request",
    "disk_write_128k": "the same: write", "disk_flush": "the same: flush",
    "net_64_round": "frame of 64 bytes to another guest and one back, both asleep", "net_1500_round": "the same of 1500 bytes", "net_64_burst": "in bursts of 64, for each of 64 bytes",
    "net_1500_burst": "the same of 1500 bytes", "net_stream_kib": "stream of frames, for each KiB", "net_stream_dom0": "of that Dom0 with the hypervisor, for each frame",
    "net_stream_sender": "of that the sender", "net_stream_receiver": "of that the receiver",
    "tcp_stream_kib": "TCP stream to another guest, for each KiB", "tcp_stream_sender": "of that the sender", "tcp_stream_receiver": "of that the receiver",
    "tcp_dom0_kib": "TCP to Dom0's fetch, 48 KiB, for each KiB", "tcp_dom0_sender": "of that the sender",
    "tcp_dom0_file_kib": "the same, 1 MiB into a file", "tcp_dom0_file_sender": "of that the sender",
    "copy_1500_alone": "copy of 1500 bytes by the hypervisor", "copy_1500_of_16": "the same in a call of 16, for each",
    "rep_stosb_4k": "REP STOSB of 4 KiB: how Bochs counts", "rep_stosq_4k": "REP STOSQ of 4 KiB", "rep_movsb_4k": "REP MOVSB of 4 KiB",
    "memory_decrease_4k": "give a page back (XENMEM_decrease_reservation)", "memory_populate_4k": "take a page (XENMEM_populate_physmap)",
}
# What cannot be had, and why; what to know of the columns.
ABSENT = [
    "no xAPIC rows (registers in memory): Corbel starts vCPUs in x2APIC mode and offers no other",
    "no access to a device's memory (mmio): no guest has such a device",
    "first touch: Corbel gives a domain all its memory when it is created, so there is no exit to measure; KVM 6,204 for 4 KiB, 779,148 for 2 MiB",
    "KVM and Xen: a dash is a row that the peer does not offer, or that was not in the guest when it ran there (tests/bench/peers.json)",
    "mitigations: Bochs's CPU has neither the flush of L1D nor VERW's nor IBPB, so what a CPU that needs them pays at each entry and switch is not in the column",
    "counts: of rows that wait for a time or for another CPU, of bursts of frames and of the host's figures there are none",
]


def read_json(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def peers():
    return read_json(os.path.join(HERE, "peers.json"))


def baseline():
    return read_json(BASELINE) if os.path.exists(BASELINE) else {"figures": {}, "rows": {}, "cpuid": [], "guest": 0}


def dump(result):
    """One row a line: a change of the baseline is readable."""
    def part(name):
        return ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in result[name].items())
    path = ",\n".join(f"  {json.dumps(row)}" for row in result["cpuid"])
    return f'{{\n "figures": {{\n{part("figures")}\n }},\n "rows": {{\n{part("rows")}\n }},\n "guest": {result["guest"]},\n "cpuid": [\n{path}\n ]\n}}\n'


def source_text(file, first, last):
    """The code of one line, for people; "" for several."""
    path = os.path.join(ROOT, file)
    if first != last or not first or not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    return lines[first - 1].split("/*")[0].strip() if first <= len(lines) else ""


def gather(runs):
    """RUNS {boot: Run} of bench.py as one result."""
    result = {"figures": {}, "rows": {}, "cpuid": [], "guest": 0}
    for boot in ("exits", "rings", "tcp", "cpus2"):
        if boot in runs:
            for name, row in runs[boot].rows.items():
                result["rows"].setdefault(name, dict(row))
            for name, value in runs[boot].figures.items():
                if name in FIGURES:
                    result["figures"].setdefault(name, {"value": value})
    for boot, key in (("mitigated", "mitigated"), ("idle64", "with64")):
        if boot in runs:
            for name, row in runs[boot].rows.items():
                if name in result["rows"]:
                    result["rows"][name][key] = row["min"]
            for name, value in runs[boot].figures.items():
                if name in result["figures"] and name not in ("boot_to_prompt", "boot_to_dom0"):  # before there are any guests
                    result["figures"][name][key] = value
    for name, path in runs["counts"].paths.items() if "counts" in runs else []:
        if name in result["rows"]:
            result["rows"][name]["counts"] = {k: v for k, v in path.counts.items() if v}
            if name == "cpuid":
                result["cpuid"] = [[*line, source_text(*line[:3])] for line in trace.by_line(path)]
                result["guest"] = path.ticks - len(path.root)
    order = {name: i for i, name in enumerate(ROWS)}
    result["rows"] = dict(sorted(result["rows"].items(), key=lambda item: order.get(item[0], len(order))))
    result["figures"] = {k: result["figures"][k] for k in FIGURES if k in result["figures"]}
    return result


# ---- judgements --------------------------------------------------------------------------------

def missing(result):
    """Goals and baseline rows without a figure: a row that vanishes is no success."""
    base = baseline()
    wanted = [*FIGURE_GOALS, *base["figures"]], [*ROW_GOALS, *base["rows"]]
    return [f"{name} was not measured: build/logs/bench-*.log tell what was" for part, names in zip(("figures", "rows"), wanted) for name in dict.fromkeys(names) if name not in result[part]]


def grown(result):
    """What 64 idle domains make slower or larger by more than a tenth; root's memory holds what those domains have there and is none of it."""
    out = [f"{k}: {v['value']}, with 64 idle domains {v['with64']}" for k, v in result["figures"].items()
           if k != "root_memory" and "with64" in v and v["with64"] > max(v["value"] * WITH_IDLE, v["value"] + 1)]
    return out + [f"{k}: {v['min']}, with 64 idle domains {v['with64']}" for k, v in result["rows"].items() if "with64" in v and v["with64"] > max(v["min"] * WITH_IDLE, v["min"] + 1)]


def judged_by(part, name):
    """Of IPIs to a CPU that sleeps the shortest is luck: something else had just woken it."""
    return "value" if part == "figures" else "med" if name.startswith("ipi_other_cpu") else "min"


def compare(result, worse):
    """Against the baseline: what is WORSE (or better) by more than a fiftieth, and counts that are not the same."""
    base, out = baseline(), []

    def differs(new, old):
        return new > max(old * MAY_GROW, old + 1) if worse else new < min(old / MAY_GROW, old - 1)
    for part in ("figures", "rows"):
        for name, now in result[part].items():
            old, key = base[part].get(name), judged_by(part, name)
            if old is None:
                if not worse:
                    out.append(f"{name} is new")
                continue
            if differs(now[key], old[key]):
                out.append(f"{name}: {now[key]}, baseline {old[key]}")
            for kind, was in ({**{k: 0 for k in now.get("counts", {})}, **old.get("counts", {})} if "counts" in now and "counts" in old else {}).items():
                n = now["counts"].get(kind, 0)
                if n > was if worse else n < was:
                    out.append(f"{name}: {n} {kind}, baseline {was}")
    return out


def changed(result):
    return compare(result, True)


def better(result):
    moved = result["cpuid"] and result["cpuid"] != baseline()["cpuid"]
    return compare(result, False) + (["the lines of CPUID's exit are others than in docs/performance.md"] if moved else [])


# ---- text ----------------------------------------------------------------------------------------

SHORT = {"VMREAD": "r", "VMWRITE": "w", "RDMSR": "R", "WRMSR": "W", "INVLPG": "L", "INVEPT": "E", "CR": "C", "IPI": "I", "exits": "x"}
LEGEND = "x exits, r VMREAD, w VMWRITE, R RDMSR, W WRMSR, L INVLPG, E INVEPT or INVVPID, C writes of control registers, I interrupts to other CPUs, all in root mode"


def counts_text(row):
    if "counts" not in row:
        return "-"
    return " ".join(f"{row['counts'][k]}{SHORT[k]}" for k in ("exits", *trace.KINDS[:-1]) if row["counts"].get(k)) or "none"


def ratio(mine, theirs):
    """How many times as much the peer needs, both without the empty loop."""
    if theirs is None:
        return "-"
    times = max(theirs - EMPTY, 1) / max(mine - EMPTY, 1)
    return ">999" if times > 999 else f"{times:.{0 if times >= 100 else 1}f}"


def verdict(value, goal):
    return "" if goal is None else "reached" if value <= goal else "MISSED"


def number(value):
    return "-" if value is None else f"{value:,}"


def figure_lines(result):
    other = peers()
    for name, f in result["figures"].items():
        kvm, xen = other.get(name, [None, None])
        goal = FIGURE_GOALS.get(name)
        yield [FIGURES[name], number(f["value"]), number(f.get("mitigated")), number(f.get("with64")), number(kvm), number(xen), number(goal), verdict(f["value"], goal)]


def row_lines(result):
    other = peers()
    for name, r in result["rows"].items():
        kvm, xen = other.get(name, [None, None])
        goal = ROW_GOALS.get(name)
        yield [name, ROWS.get(name, ""), number(r["min"]), number(r["med"]), number(r["p99"]), number(r.get("mitigated")), number(r.get("with64")), number(kvm), ratio(r["min"], kvm),
               number(xen), ratio(r["min"], xen), number(goal), verdict(r["min"], goal), counts_text(r)]


FIGURE_HEAD = ["of a boot or of the host", "Corbel", "mitig.", "64 idle", "KVM", "Xen", "goal", ""]
ROW_HEAD = ["row", "what", "min", "med", "p99", "mitig.", "64 idle", "KVM", "x", "Xen", "x", "goal", "", "counts"]


def columns(head, lines, left):
    table = [head, *lines]
    width = [max(len(line[i]) for line in table) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, width))).rstrip() for line in table)


def text(result):
    rows = [[c for i, c in enumerate(line) if i != 1] for line in ([*row_lines(result)])]
    head = [c for i, c in enumerate(ROW_HEAD) if i != 1]
    return "\n".join([columns(FIGURE_HEAD, [*figure_lines(result)], {0, 7}), "", columns(head, rows, {0, 11, 12}), "",
                      "ticks; mitig.: minimum with mitigations = on; 64 idle: minimum with 64 idle domains; x: how many times Corbel's (both without the empty loop)",
                      f"counts: {LEGEND}", *(f"note: {line}" for line in ABSENT)])


# ---- documents --------------------------------------------------------------------------------------

def markdown_table(head, lines):
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in [head, ["---"] * len(head), *lines])


def root_instructions(result):
    return sum(line[4] for line in result["cpuid"])


def block(result):
    """What stands between BEGIN and END in docs/performance.md."""
    rows = [[f"`{line[0]}`" + (f" {line[1]}" if line[1] else ""), *line[2:]] for line in row_lines(result)]
    path = [[f"`{file}:{first}{'' if first == last else f'-{last}'}`", f"`{function}`", str(n), source and f"`{source}`"] for file, first, last, function, n, source in result["cpuid"]]
    in_root = root_instructions(result)
    return "\n".join([BEGIN, "", "### Of a boot and of the host", "", markdown_table(FIGURE_HEAD, figure_lines(result)), "", "### Rows", "",
                      "![Ticks of Corbel, KVM and Xen](bench.svg)", "", markdown_table([ROW_HEAD[0], *ROW_HEAD[2:]], rows), "", f"Counts: {LEGEND}.", "",
                      *(f"- {line[0].upper()}{line[1:]}." for line in ABSENT), "", "### Where the instructions of CPUID's exit go", "",
                      markdown_table(["line", "function", "instructions", "code"], path), "",
                      f"{in_root} instructions in root mode and {result['guest']} in the guest, CPUID and the second time stamp included: {in_root + result['guest']} ticks.", "", END])


def page(result):
    with open(PAGE, encoding="utf-8") as f:
        whole = f.read()
    return whole[:whole.index(BEGIN)] + block(result) + whole[whole.index(END) + len(END):]


def stale():
    """Why the documents are not what the baseline makes; empty: they are."""
    base, out = baseline(), []
    with open(PAGE, encoding="utf-8") as f:
        if f.read() != page(base):
            out.append("docs/performance.md is not what tests/bench/baseline.json says: make bench BASELINE=write")
    with open(CHART, encoding="utf-8") as f:
        if f.read() != svg(base):
            out.append("docs/bench.svg is not what tests/bench/baseline.json says: make bench BASELINE=write")
    cpuid = base["rows"]["cpuid"]["min"]
    if root_instructions(base) + base["guest"] != cpuid:
        out.append(f"the lines of CPUID's exit do not add up to its {cpuid} ticks")
    return out


def write(result):
    made = page(result)  # before anything is written
    for path, content in ((BASELINE, dump(result)), (PAGE, made), (CHART, svg(result))):
        with open(path, "w", encoding="utf-8") as f:
            f.write(content)


# ---- chart -----------------------------------------------------------------------------------------------

CHART_ROWS = ["cpuid", "hypercall_xen", "out_e0", "in_e0", "rdmsr_misc_enable", "rdmsr_apic_base", "wrmsr_apic_base", "wbinvd", "xsetbv", "x2apic_read_timer", "x2apic_write_lint0", "x2apic_write_tpr",
              "x2apic_write_eoi", "x2apic_arm_timer", "x2apic_icr_ipi_full", "x2apic_self_ipi_full", "x2apic_timer_hlt_cycle", "x2apic_oneshot_hlt_cycle", "evtchn_self_full",
              "event_domu_and_back", "dom0_event_and_back", "grant_map_4k", "grant_copy_4k", "touch_write_fresh"]
COLOURS = {"Corbel": "#1b6ca8", "KVM 6.1": "#d98324", "Xen 4.17": "#7a9e3f"}


def escape(s):
    return s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def svg(result):
    """Horizontal bars, three for each row, on a logarithmic scale; a goal is a tick across Corbel's bar."""
    other, rows = peers(), [n for n in CHART_ROWS if n in result["rows"]]
    left, right, top, each, bar = 390, 90, 76, 44, 11
    decades = 4 if all(max(v for v in [result["rows"][n]["min"], *other.get(n, [])] if v) < 10_000 for n in rows) else 5
    width, height = 1040, top + each * len(rows) + 60

    def x(v):
        return left + (width - left - right) * math.log10(max(v, 1)) / decades
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
           '<text x="20" y="26" font-size="17" font-weight="bold">What an operation costs a guest: instructions under Bochs (one instruction = one tick)</text>']
    for i, (who, colour) in enumerate(COLOURS.items()):
        out.append(f'<rect x="{20 + 120 * i}" y="40" width="12" height="12" fill="{colour}"/><text x="{38 + 120 * i}" y="51">{who}</text>')
    out.append('<path d="M386 38 V54" stroke="#b00020" stroke-width="2"/><text x="394" y="51">goal</text>')
    bottom = top + each * len(rows)
    for power in range(decades + 1):
        at = x(10 ** power)
        out.append(f'<path d="M{at:.1f} {top - 6} V{bottom}" stroke="#cccccc"/><text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{10 ** power:,}</text>')
    out.append(f'<text x="{(left + width - right) / 2:.1f}" y="{bottom + 40}" text-anchor="middle">ticks, minimum, mitigations off (logarithmic)</text>')
    for k, name in enumerate(rows):
        y = top + each * k
        values = dict(zip(COLOURS, [result["rows"][name]["min"], *other.get(name, [None, None])]))
        out.append(f'<text x="{left - 10}" y="{y + 24}" text-anchor="end">{escape(ROWS.get(name, name))}</text>')
        for i, (who, value) in enumerate(values.items()):
            at = y + 3 + (bar + 1) * i
            if value is None:
                out.append(f'<text x="{left + 4}" y="{at + 9}" font-size="10" fill="#777777">{who}: no figure</text>')
            else:
                out.append(f'<rect x="{left}" y="{at}" width="{max(x(value) - left, 1):.1f}" height="{bar}" fill="{COLOURS[who]}"/>'
                           f'<text x="{x(value) + 4:.1f}" y="{at + 9}" font-size="10">{value:,}</text>')
        if name in ROW_GOALS:
            out.append(f'<path d="M{x(ROW_GOALS[name]):.1f} {y + 1} V{y + 16}" stroke="#b00020" stroke-width="2"/>')
    return "\n".join([*out, "</svg>", ""])
