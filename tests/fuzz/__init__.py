"""`make fuzz`: byte streams that a fuzzer invents, and the verdicts over them compared."""
