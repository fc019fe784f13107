"""Small trainings, healthy and with a planted fault, that `benchmarks/findings.py` judges."""
