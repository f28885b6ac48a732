package mutants

// What catches a mutant: the simulation, by what its oracles say, or the comparison of the simulated node with servers.
var (
	// holders is that two rely on a lock, or one on a lock that the nodes don't keep from others.
	holders = catcher{test: "TestSchedules", schedules: 400, complaint: `rel(y|ies) on the lock|came back to life|got a lock that was over`}
	// tokens is that one is not larger than all before, or that no quorum knows it.
	tokens = catcher{test: "TestSchedules", schedules: 400, complaint: `got token`}
	// either is one of the two.
	either = catcher{test: "TestSchedules", schedules: 400, complaint: holders.complaint + "|" + tokens.complaint}
	// leftover is a key, or a part of the engine's state, that should not be there any more.
	leftover = catcher{test: "TestSchedules", schedules: 400, complaint: `still holds`}
	// unlike is that a server answers otherwise than the simulated node.
	unlike = catcher{test: "TestSimulatedNodesAnswerAsServersDo", complaint: `the simulated node`}
	// together is that a server answers several releases at once otherwise than it should.
	together = catcher{test: "TestOneOfSeveralAskedTogetherFailsAlone", complaint: `answer \d is granted \(.*\); want taken`}
)

// mutants are the deliberate bugs. Where one is in a script, the simulated node's part of it has the same bug: the
// simulation shows that it is one, and the comparison that no script can have it.
var mutants = []mutant{
	{"validity counts from the answer, not from the question", []change{
		{"lock.go", "l.deadline, l.expiration = l.since.add(", "l.deadline, l.expiration = m.engine.clock.now().add("},
	}, holders},
	{"the deadline is not checked last", []change{
		{"lock.go", "	if validity <= 0 {\n		return false\n	}\n", ""},
	}, holders},
	{"drift is ignored", []change{
		{"mutex.go", "return time.Duration(float64(expiration)*m.settings.DriftFactor) + driftFloor", "return 0"},
	}, holders},
	{"the wall clock is ignored", []change{
		{"clock.go", "return max(m.mono-before.mono, m.wall-before.wall)", "return m.mono - before.mono"},
	}, holders},
	{"a quorum is one less", []change{
		{"round.go", "return t.nodes/2 + 1", "return max(t.nodes/2, 1)"},
	}, holders},
	{"an extension counts from its answer", []change{
		{"lock.go", "	deadline := start.add(", "	deadline := now.add("},
	}, holders},
	{"an extension revives a lock past its deadline", []change{
		{"lock.go", "	if l.err != nil || left <= 0 {\n", "	if l.err, left = nil, forever; false {\n"},
	}, holders},
	{"a release deletes whatever stands at the key", []change{
		{"sim_scripts_test.go", "		if stands != q.owner {\n			return reply{answer: Taken}\n		}\n		n.deleteKey", "		n.deleteKey"},
	}, holders},
	{"release.lua deletes whatever stands at the key", []change{
		{"scripts/release.lua", "if owner == ARGV[1] then", "if owner then"},
	}, unlike},
	{"releases.lua deletes whatever stands at the keys", []change{
		{"scripts/releases.lua", "if owners[i] == ARGV[i] then", "if owners[i] then"},
	}, together},
	{"an extension takes a key that is another's", []change{
		{"sim_scripts_test.go", "	case extend:\n		if stands != \"\" && stands != q.owner {\n			return reply{answer: Taken}\n		}\n		n.lengthen(q)", "	case extend:\n		n.set(q.key, q.owner, q.milliseconds)"},
	}, holders},
	{"extend.lua takes a key that is another's", []change{
		{"scripts/extend.lua", "  elseif not owner then", "  else"},
	}, unlike},
	{"extend.lua shortens", []change{
		{"scripts/extend.lua", "answer < tonumber(ARGV[n + i])", "true"},
	}, unlike},
	{"a hand-over takes a key that is another's", []change{
		{"sim_scripts_test.go", "	case handover:\n		if stands != \"\" && stands != q.owner {\n			return reply{answer: Taken}\n		}\n", "	case handover:\n"},
	}, holders},
	{"handover.lua takes a key that is another's", []change{
		{"scripts/handover.lua", "if owner and owner ~= ARGV[1] then", "if false then"},
	}, unlike},
	{"a failed attempt is not released", []change{
		{"acquire.go", "	r.undo()\n	m := l.mutex\n", "	m := l.mutex\n"},
	}, leftover},
	{"a node that has not answered is not released", []change{
		{"round.go", "!reply.heard || reply.answer == Granted || reply.unknown", "reply.answer == Granted"},
	}, leftover},
	{"what a node still has to delete is forgotten", []change{
		{"claim.go", "	if owed {\n", "	if owed && false {\n"},
	}, leftover},
	{"a release ends with its caller's context", []change{
		{"lock.go", "	err := l.releaseAt(now)\n", "	err := l.releaseAt(ctx, now)\n"},
		{"lock.go", "func (l *Lock) releaseAt(now moment) error {", "func (l *Lock) releaseAt(ctx context.Context, now moment) error {"},
		{"lock.go", "	if err := m.engine.begin(); err != nil {\n		return m.fail(\"release\"", "	if err := m.enter(ctx, l.Key()); err != nil {\n		return m.fail(\"release\""},
	}, leftover},
	{"all attempts of a process have one owner value", []change{
		{"owner.go", "	clear(random) // what is in use elsewhere need not lie about here\n	o.used += ownerBytes\n", ""},
		{"owner.go", "	if o.used == len(o.random) {\n		rand.Read(o.random[:])\n		o.used = 0\n	}\n", "	o.used = 0\n"},
	}, holders},
	{"the guard is off", []change{
		{"safeguard.go", "	if !s.RestartGuard {\n		return 0\n	}\n", "	if true {\n		return 0\n	}\n"},
	}, holders},
	{"a node in quarantine counts as a vote", []change{
		{"round.go", "	case Quarantined:\n		t.silent++\n		t.quarantined++\n", "	case Quarantined:\n		t.granted++\n"},
	}, holders},
	{"guarded_extend.lua sets the key in quarantine", []change{
		{"scripts/guarded_extend.lua", "if not owner and left > 0 then", "if false then"},
	}, unlike},
	{"the quarantine does not look at the uptime", []change{
		{"sim_store_test.go", "	if !n.blind {\n", "	if false {\n"},
	}, either},
	{"the quarantine does not look at the birth key", []change{
		{"sim_store_test.go", "	left := max(n.birth+q.quarantine-now, 0)\n", "	left := int64(0)\n"},
	}, holders},
	{"counters that differ are not raised", []change{
		{"fence.go", "	if agreed {\n", "	if agreed = true; agreed {\n"},
	}, tokens},
	{"raise.lua counts on any node", []change{
		{"scripts/raise.lua", "elseif owner ~= ARGV[3] then", "elseif false then"},
	}, unlike},
	{"one node's counter is the token", []change{
		{"fence.go", "		if same >= r.tally.quorum() {\n", "		if same >= 1 {\n"},
	}, tokens},
	{"a repeated request counts again", []change{
		{"scripts/guarded_acquire.lua", "  problem = recall()\n", "  problem = count()\n"},
	}, unlike},
	{"counters do not begin with the clock", []change{
		{"sim_store_test.go", "beginning() int64 { return n.now().Unix() << 20 }", "beginning() int64 { return 1 }"},
	}, tokens},
	{"a counter that is ahead of the clock does not live longer", []change{
		{"scripts/guard.lua", "(ahead + 1) * 1000", "1000"},
	}, unlike},
}
