"""The loop as a list of stages: from samples to alarms, incidents and whoever is told of them.

Read `loop` first: it lists the stages and stores what a tick decides. `config` holds the rules of a
feed, `tick` what the stages work on, `stages` one idea a file, `cubes` where an incident is
localized. `records`, `score_store`, `score_book` and `row_book` are what a tick knows of the past.
`replay` decides a span again, `backtest` tries other rules on it, `learn` makes better models.
"""
