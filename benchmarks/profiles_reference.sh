#!/usr/bin/env bash
# Rebuilds results/reference/{utd_mhad,sim}_profiles: sweeps, summaries and figures of docs/profiles.md.
#   export ZSSAR_DATA=/folder/that/holds/utd_mhad; bash benchmarks/profiles_reference.sh [utd_mhad] [sim]
# One core, a few CPU minutes for UTD-MHAD; the simulated set has to be simulated first. Learning curves on a network's
# features need networks (workflow/experiments/profiles_learning.yaml); they are copied and drawn where they exist.
set -euo pipefail
cd "$(dirname "$0")/.."
config=workflow/experiments/profiles_draws.yaml
sweeps() { case $1 in
  utd_mhad) echo draws variants noise wrong quantities groups seen_5 seen_13 learning_5 learning_13 ;;
  sim) echo draws variants noise wrong quantities groups seen learning ;; esac; }

figure() { # dataset axis options, sweeps...
  local set=$1 axis=$2 options=$3 files=() name
  shift 3
  for name in "$@"; do
    [ -f "results/${set}_profiles/$name.summary.csv" ] && files+=("results/${set}_profiles/$name.summary.csv")
  done
  [ ${#files[@]} -gt 0 ] || return 0
  local stem="results/reference/${set}_profiles/$axis"
  [[ $1 == learning* ]] && stem="results/reference/${set}_profiles/learning"
  zssar make_figure --kind ablation --summaries "${files[@]}" --params "{\"axis\": \"$axis\"$options}" \
    --output "$stem.png" "$stem.pdf"
}

[ $# -gt 0 ] || set -- utd_mhad
for set in "$@"; do
  targets=()
  for name in $(sweeps "$set"); do
    [[ $name == learning* ]] || targets+=("results/${set}_profiles/$name.summary.csv")
  done
  snakemake --cores 1 "${targets[@]}" --configfile $config
  to=results/reference/${set}_profiles
  mkdir -p "$to"
  for name in $(sweeps "$set"); do
    if [ -f "results/${set}_profiles/$name.run.json" ]; then cp "results/${set}_profiles/$name.run.json" "$to/$name.run.json"; fi
    for end in csv md; do
      if [ -f "results/${set}_profiles/$name.summary.$end" ]; then cp "results/${set}_profiles/$name.summary.$end" "$to/$name.$end"; fi
    done
  done
  # Every draw of the main table, without the columns that are the same everywhere.
  python - "results/${set}_profiles/draws.runs.csv" "$to/draws.by_draw.csv" <<'PYTHON'
import sys
import pandas as pd
runs = pd.read_csv(sys.argv[1]).query("selection == 'last' and metric in ('top1', 'harmonic')")
table = runs.pivot_table(index=["split", "metric"], columns=["method", "source"], values="value")
table.columns = [f"{method} ({source})" for method, source in table.columns]
table.round(2).to_csv(sys.argv[2], lineterminator="\n")
PYTHON
  names=', "names": {"profile (frozen)": "profile, first answers", "profile (second)": "profile, second answers", "profile (all)": "profile, all answers"}'
  texts=', "names": {"profile": "profile", "profile_regressed": "profile regressed from the network"'
  texts+=', "ridge": "ridge (text)", "eszsl": "eszsl (text)", "nearest_mean": "nearest mean (text)"}'
  for axis in noise wrong; do figure "$set" $axis "$names" $axis; done
  figure "$set" quantities "$names, \"log\": true" quantities
  figure "$set" only "$names" groups
  figure "$set" without "$names" groups
  if [ "$set" = utd_mhad ]; then
    figure "$set" seen "$names, \"log\": true" seen_5 seen_13
    figure "$set" seen "$texts, \"log\": true" learning_5 learning_13
  else
    figure "$set" seen "$names, \"log\": true" seen
    figure "$set" seen "$texts, \"log\": true" learning
  fi
done
