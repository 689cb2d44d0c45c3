"""espeak-ng through its library: a sentence, and when its first audio was there."""
import ctypes
import ctypes.util
import sys
import threading
import time


class Espeak:
    """espeak-ng as a library; one sentence at a time."""

    AUDIO_OUTPUT_SYNCHRONOUS, CHARS_UTF8 = 2, 1

    def __init__(self):
        name = ctypes.util.find_library("espeak-ng")
        if not name:
            sys.exit("espeak-ng is absent: apt-get install espeak-ng")
        self.lib, self.lock, self.first = ctypes.CDLL(name), threading.Lock(), None
        if self.lib.espeak_Initialize(self.AUDIO_OUTPUT_SYNCHRONOUS, 200, None, 0) < 0:
            sys.exit("espeak-ng cannot be initialised")
        self.callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)(self.take)
        self.lib.espeak_SetSynthCallback(self.callback)
        self.lib.espeak_SetVoiceByName(b"en-us")
        self.samples = 0

    def take(self, wav, count, events):
        if wav and count > 0:
            self.samples += count
            if self.first is None:
                self.first = time.perf_counter()
        return 0

    def say(self, text):
        """-> time at which the first audio was there."""
        with self.lock:
            self.first, self.samples, data = None, 0, text.encode()
            self.began = time.perf_counter()
            self.lib.espeak_Synth(data, len(data) + 1, 0, 0, 0, self.CHARS_UTF8, None, None)
            return self.first
