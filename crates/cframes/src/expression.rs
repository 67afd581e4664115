//! DWARF expressions, which unwind tables use where a rule is not simple.

use gimli::{EndianSlice, EvaluationResult, Expression, LittleEndian, Location, Value};
use model::Addr;
use target::ReadMemory;

use crate::state::State;

/// An expression that computes for longer than this leads nowhere.
const MAX_STEPS: u32 = 10_000;

/// The value of an expression, `cfa` being on its stack if it is that of a register.
pub(crate) fn evaluate(
    expression: Expression<EndianSlice<'_, LittleEndian>>,
    encoding: gimli::Encoding,
    state: &State,
    cfa: Option<u64>,
    memory: &dyn ReadMemory,
) -> Result<u64, String> {
    let failed = |why: gimli::Error| format!("an expression in its unwind table fails: {why}");
    let mut evaluation = expression.evaluation(encoding);
    evaluation.set_max_iterations(MAX_STEPS);
    if let Some(cfa) = cfa {
        evaluation.set_initial_value(cfa);
    }
    let mut result = evaluation.evaluate().map_err(failed)?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = state
                    .get(usize::from(register.0))
                    .ok_or_else(|| unknown_register(register.0))?;
                evaluation.resume_with_register(Value::Generic(value))
            }
            EvaluationResult::RequiresMemory {
                address,
                size,
                space: None,
                ..
            } => {
                let mut word = [0; 8];
                let bytes = word
                    .get_mut(..usize::from(size))
                    .ok_or("an expression in its unwind table reads too much")?;
                memory
                    .read(Addr(address), bytes)
                    .map_err(|why| why.to_string())?;
                evaluation.resume_with_memory(Value::Generic(u64::from_le_bytes(word)))
            }
            _ => return Err("its unwind table has an expression of an unknown sort".to_owned()),
        }
        .map_err(failed)?;
    }
    match evaluation.result().first().map(|piece| &piece.location) {
        Some(Location::Address { address }) => Ok(*address),
        _ => Err("its unwind table has an expression without a value".to_owned()),
    }
}

/// What is said of a register that is needed and whose value was not kept.
pub(crate) fn unknown_register(number: u16) -> String {
    format!("its unwind table needs register {number}, whose value was not kept")
}
