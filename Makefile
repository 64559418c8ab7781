# The few commands of daily work. CMake builds; this file only names what one does with it.
#   BUILD=folder        build folder (default build)
#   TORCH=OFF           the plain wing alone, without LibTorch
#   CMAKE_ARGS=…        more arguments for cmake, for example -DPONDER_SANITIZE=address,undefined
#   ARGS=…              more arguments for the program, for example ARGS="seed=2 --out runs/second" (demo)
#                       or ARGS="--cases train-step --threads 2" (bench)
BUILD ?= build
TORCH ?= ON
RECIPE ?= recipes/laptop.yaml
export BUILD TORCH CMAKE_ARGS

.PHONY: help build demo test bench bench-peers soak clean

help:
	@echo "make build    install what is missing and build $(BUILD)/ponder"
	@echo "make demo     build, then train, search and report on this machine: $(RECIPE)"
	@echo "make test     build and run every test"
	@echo "make bench    build, measure, and compare with the peers that are installed"
	@echo "make bench-peers   install those peers into .deps/bench (PyTorch, transformers, TRL, llama.cpp; about 3 GB)"
	@echo "make soak     kill a run 200 times and compare its end with an undisturbed one; a run under ASan; fuzzing (some three hours)"
	@echo "make clean    remove $(BUILD)/ (what was fetched into .deps/ stays)"

build:
	@scripts/build.sh $(if $(filter OFF,$(TORCH)),,ponder)

demo: build
	@$(BUILD)/ponder run $(RECIPE) $(ARGS)

test:
	@scripts/build.sh
	@scripts/test.sh

bench: build
	@bench/bench.py --build $(BUILD) $(ARGS)

bench-peers:
	@bench/peers.sh

soak: build
	@tests/soak/soak.sh $(BUILD)/ponder

clean:
	rm -rf $(BUILD)
