"""PyTorch beside loop_bench: microseconds a step of nn.LSTM on the CPU, f32 and dynamic int8."""

import json
import sys
import time

import torch


def best_us(run, repeats=40):
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best * 1e6


def measure(hidden, batch, steps, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    lstm = torch.nn.LSTM(hidden, hidden, batch_first=True).eval()
    x = torch.randn(batch, steps, hidden)
    cases = [("f32", lstm)]
    try:
        int8 = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(lstm), {torch.nn.LSTM})
        cases.append(("int8", int8[0]))
    except (RuntimeError, AttributeError) as error:
        print("no dynamic int8:", error, file=sys.stderr)
    for precision, module in cases:
        with torch.inference_mode():
            # The product with the inputs is outside the loop in our program: taken off here.
            whole = best_us(lambda: module(x))
            product = torch.nn.Linear(hidden, 4 * hidden)
            if precision == "int8":
                product = torch.ao.quantization.quantize_dynamic(
                    torch.nn.Sequential(product), {torch.nn.Linear}
                )
            inputs = best_us(lambda: product(x))
        print(
            json.dumps(
                {
                    "bench": "loop",
                    "case": f"lstm {hidden} x{batch}",
                    "peer": "torch " + torch.__version__,
                    "precision": precision,
                    "us_a_step": round((whole - inputs) / steps, 2),
                    "us_a_step_with_input_product": round(whole / steps, 2),
                    "threads": threads,
                }
            ),
            flush=True,
        )


def main():
    for hidden in (688, 704):
        for batch in (1, 4):
            for threads in (1, 2):
                measure(hidden, batch, 25, threads)


if __name__ == "__main__":
    main()
