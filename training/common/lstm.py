"""Runs an LSTM in the type of the autocast region on CPUs too, where autocast leaves it in f32."""
import torch


def run(lstm, x, state=None):
    """lstm: batch-first nn.LSTM; x [B, T, C] or a packed sequence, which stays f32 -> (y, state), as lstm(x, state)."""
    packed = isinstance(x, torch.nn.utils.rnn.PackedSequence)
    if (x.data if packed else x).device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return lstm(x, state)
    if packed:
        with torch.autocast("cpu", enabled=False):
            return lstm(x.to(torch.float32), state)
    dtype = torch.get_autocast_dtype("cpu")
    rows, wide = (2 if lstm.bidirectional else 1) * lstm.num_layers, lstm.hidden_size
    with torch.autocast("cpu", enabled=False):
        if state is None:
            state = (x.new_zeros(rows, len(x), wide, dtype=dtype),) * 2
        weights = [w.to(dtype) for w in lstm._flat_weights]
        y, h, c = torch._VF.lstm(x.to(dtype), [s.to(dtype) for s in state], weights, lstm.bias, lstm.num_layers, lstm.dropout,
                                 lstm.training, lstm.bidirectional, lstm.batch_first)
    return y, (h, c)
