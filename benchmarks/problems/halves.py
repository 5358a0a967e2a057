"""Which problems strategies may be tuned on, and which ones only confirm. Fixed before anything was measured."""

from __future__ import annotations

TUNING = (
    "sphere5", "rosenbrock5", "levy6", "hartmann6",
    "ackley10", "ellipsoid12", "levy16", "hartmann6_in_14",
    "network10", "staircase6", "basins6",
    "optimisers9", "layers10", "nested14",
    "noisy_sphere5", "noisy_hartmann6", "noisy_network10", "noisy_optimisers",
    "xgb_pool/heart", "xgb_pool/german", "hpobench_nn/blood_transfusion", "fcnet/parkinsons", "lcbench/7593",
    "lcbench/126025", "rbv2_xgboost/1050", "rbv2_xgboost/60", "taskset/lstm128", "adaboost/41", "hss/mnist",
)  # fmt: skip

CONFIRMATION = (
    "branin", "rastrigin5", "ellipsoid6", "griewank5", "styblinski_tang4", "rosenbrock8",
    "sphere20", "rosenbrock20", "rastrigin20", "griewank12", "styblinski_tang15", "ackley18",
    "chain8", "product9", "ranks7", "kernel6", "reflected8",
    "families16", "stack17", "tree24", "switches11", "schedules11",
    "noisy_branin", "noisy_ellipsoid8", "noisy_levy10", "noisy_kernel6", "noisy_families", "noisy_kc1",
    "xgb_pool/madelon", "xgb_pool/spambase", "hpobench_nn/kc1", "hpobench_nn/phoneme", "fcnet/slice",
    "lcbench/167200", "lcbench/168331", "rbv2_xgboost/1489", "rbv2_xgboost/41142", "rbv2_xgboost/470",
    "taskset/vrnn64", "adaboost/9971", "adaboost/3946", "adaboost/45", "hss/fashion_mnist",
)  # fmt: skip
