# Zero-shot skeleton action recognition: from raw recordings to results/table1.csv. See README.md.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


# Used with `--sdm apptainer` only; built from workflow/zssar.def, see docs/cluster.md.
container: "workflow/zssar.sif"


# The front page of `snakemake --report`.
report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/lookups.smk"
include: "workflow/rules/skeletons.smk"
include: "workflow/rules/backbones.smk"
include: "workflow/rules/texts.smk"
include: "workflow/rules/alignment.smk"
include: "workflow/rules/reporting.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/sweeps.smk"


rule all:
    default_target: True
    input:
        expand("results/{table}.csv", table=config["tables"]),
        [figure for table in config["tables"] for figure in figures_of_table(table)],
    localrule: True
