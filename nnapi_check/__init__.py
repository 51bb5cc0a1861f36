"""nnapi-check: will this PyTorch model run on Android's Neural Networks API, and if not, why not?"""
