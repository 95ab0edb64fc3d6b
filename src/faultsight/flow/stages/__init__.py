"""The stages of the loop, one idea a file; `faultsight.flow.loop` lists them in order.

A stage has one verb, ``run(tick)``: it reads what earlier stages have put into the
`faultsight.flow.tick.Tick` and adds its own. What it decides is a pure function beside it.
"""
