//! The verifier's law for stacks, held here as kernels before 6.13 have it: the machine that runs the tests may be newer,
//! and allow each function its own.
//! <https://github.com/torvalds/linux/blob/v6.1/kernel/bpf/verifier.c#L4142>

use std::collections::{HashMap, HashSet};

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SymbolKind};

/// `MAX_BPF_STACK`, for all functions of a chain of calls together.
const LIMIT: u64 = 512;
/// Each function's part is rounded up to a multiple of this.
const UNIT: u64 = 32;
/// The register that points to the stack's end.
const FRAME: u8 = 10;

/// What a function takes, and which it calls or hands to a helper.
#[derive(Default)]
struct Function {
    stack: u64,
    calls: HashSet<String>,
}

#[test]
fn stacks_fit_on_every_kernel() {
    let functions = functions();
    assert!(functions.len() > 20, "{} functions", functions.len());
    for name in functions.keys() {
        let (bytes, chain) = deepest(&functions, name);
        assert!(bytes <= LIMIT, "{bytes} bytes of stack: {chain}");
    }
    let (_, chain) = deepest(&functions, "sched_process_fork");
    assert!(chain.contains("walk_current"), "calls are not followed: {chain}");
}

fn deepest(functions: &HashMap<String, Function>, name: &str) -> (u64, String) {
    let function = &functions[name];
    let below = function.calls.iter().map(|called| deepest(functions, called));
    let (bytes, chain) = below.max_by_key(|(bytes, _)| *bytes).unwrap_or_default();
    let own = function.stack.max(1).next_multiple_of(UNIT);
    (own + bytes, format!("{name} {} > {chain}", function.stack))
}

fn functions() -> HashMap<String, Function> {
    let bytes = super::object::for_kernel(None);
    let file = object::File::parse(&*bytes).expect("an object file");
    // By section and place.
    let texts: HashMap<_, _> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .map(|symbol| {
            let place = (symbol.section_index().expect("it is defined"), symbol.address());
            (place, (symbol.name().expect("a name").to_owned(), symbol.size()))
        })
        .collect();
    let mut functions = HashMap::new();
    for ((section, start), (name, size)) in &texts {
        let section = file.section_by_index(*section).expect("it is there");
        let code = &section.data().expect("code")[*start as usize..][..*size as usize];
        let targets = targets(&file, section.index());
        let mut function = Function { stack: stack(code), ..Default::default() };
        for (at, instruction) in (*start..).step_by(8).zip(code.chunks_exact(8)) {
            let immediate = i64::from(i32::from_le_bytes(instruction[4..].try_into().expect("4 bytes")));
            let called = match (instruction[0], instruction[1] >> 4, targets.get(&at)) {
                // A call: of the symbol, or of the instruction after which it would go on.
                (0x85, 1, Some((section, 0))) => (*section, ((immediate + 1) * 8) as u64),
                (0x85, 1, Some((section, place))) => (*section, *place),
                (0x85, 1, None) => (section.index(), (at as i64 + 8 + immediate * 8) as u64),
                // The address of a callback.
                (0x18, _, Some((section, 0))) => (*section, immediate as u64),
                (0x18, _, Some((section, place))) => (*section, *place),
                _ => continue,
            };
            function.calls.extend(texts.get(&called).map(|(name, _)| name.clone()));
        }
        functions.insert(name.clone(), function);
    }
    functions
}

/// What each relocated instruction of a section refers to: a section, and the place of the symbol in it.
fn targets(file: &object::File<'_>, section: SectionIndex) -> HashMap<u64, (SectionIndex, u64)> {
    let section = file.section_by_index(section).expect("it is there");
    let target = |(at, relocation): (u64, object::Relocation)| {
        let RelocationTarget::Symbol(symbol) = relocation.target() else { return None };
        let symbol = file.symbol_by_index(symbol).ok()?;
        Some((at, (symbol.section_index()?, symbol.address())))
    };
    section.relocations().filter_map(target).collect()
}

/// The lowest byte below the frame register that is loaded, stored or pointed at.
fn stack(code: &[u8]) -> u64 {
    let mut pointers = HashSet::new();
    let mut lowest = 0;
    for instruction in code.chunks_exact(8) {
        let (to, from) = (instruction[1] & 15, instruction[1] >> 4);
        let offset = i64::from(i16::from_le_bytes([instruction[2], instruction[3]]));
        let immediate = i64::from(i32::from_le_bytes(instruction[4..].try_into().expect("4 bytes")));
        let reached = match (instruction[0] & 7, instruction[0]) {
            (1, _) if from == FRAME => offset,
            (2 | 3, _) if to == FRAME => offset,
            (_, 0xbf) if from == FRAME => {
                pointers.insert(to);
                0
            }
            (_, 0x07) if pointers.remove(&to) => immediate,
            _ => 0,
        };
        lowest = lowest.min(reached);
    }
    lowest.unsigned_abs()
}
