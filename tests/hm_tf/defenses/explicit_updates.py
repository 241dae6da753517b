"""The updates of all defenses as explicit loops in float64, for test_defenses.py."""

import numpy as np
import tensorflow as tf

from hm_tf.triplets.triplet_sampler import TripletSampler
from robust_tf import randomness

EPS, STEP, STEPS, DECAY, RATE = 0.1, 0.03, 4, 0.01, 0.5
SIZE, SHARDS = 16, 2
RANDOM, SOFTHARD = TripletSampler("random"), TripletSampler("softhard")


def d(u, v):
    return tf.sqrt(tf.reduce_sum((u - v + 1e-6) ** 2, axis=1))


def loss_of(a, p, n):
    return tf.reduce_mean(tf.maximum(0.0, d(a, p) - d(a, n) + 0.2))


def ascend(value, x, stop=None):
    """The attack as an explicit loop."""
    clean, previous = x, -1.0
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            tape.watch(x)
            current = value(x)
        moved = x + STEP * tf.sign(tape.gradient(current, x))
        x = tf.clip_by_value(tf.clip_by_value(moved, clean - EPS, clean + EPS), 0.0, 1.0)
        if stop and abs(previous - current) < stop:
            break
        previous = current
    return x


class Explicit:
    """One update of each defense, shard by shard, written out."""

    def __init__(self, network):
        self.network = network
        self.previous = [2.0] * SHARDS
        self.phi = lambda x: network(x)["embedding"]

    def mined(self, batch, embeddings, sampler, purpose="triplets"):
        """Places in the batch, one list of (a, p, n) arrays per shard."""
        key = randomness.key(0, batch["step"][0], purpose)
        size = SIZE // SHARDS
        noise = randomness.uniform([SIZE // 2, size, 2], key)
        for s in range(SHARDS):
            own = slice(s * size, (s + 1) * size)
            rows = noise[s * size // 2 : (s + 1) * size // 2]
            triplets = sampler(embeddings[own], batch["label"][own], rows)
            assert np.all(triplets.valid)
            yield [places.numpy() + s * size for places in triplets[:3]]

    def together(self, *args):
        return [np.concatenate(places) for places in zip(*self.mined(*args))]

    def regular(self, batch):
        places = self.together(batch, self.phi(batch["image"]), RANDOM)
        return lambda: loss_of(*(tf.gather(self.phi(batch["image"]), i) for i in places))

    def shifted(self, batch):
        clean, target = batch["image"], self.phi(batch["image"])
        noise = randomness.uniform(target.shape, randomness.key(0, batch["step"][0], "jitter"))
        jitter = 1e-7 * (np.digitize(noise, [1 / 3, 2 / 3]) - 1.0)
        first = lambda x: tf.cast(tf.reduce_all(x == clean), tf.float64)
        return ascend(lambda x: tf.reduce_sum(d(self.phi(x), target + first(x) * jitter)), clean)

    def est(self, batch):
        moved = self.shifted(batch)
        places = self.together(batch, self.phi(moved), RANDOM)
        return lambda: loss_of(*(tf.gather(self.phi(moved), i) for i in places))

    def ses(self, batch):
        moved, regular = self.shifted(batch), self.regular(batch)
        shift = lambda: tf.reduce_mean(d(self.phi(moved), self.phi(batch["image"])))
        return lambda: regular() + shift()

    def act(self, batch):
        places = self.together(batch, self.phi(batch["image"]), RANDOM)
        a, p, n = (tf.gather(batch["image"], i) for i in places)
        collapse = lambda x: -tf.reduce_sum(d(*tf.split(self.phi(x), 2)))
        p, n = tf.split(ascend(collapse, tf.concat([p, n], 0)), 2)
        return lambda: loss_of(self.phi(a), self.phi(p), self.phi(n))

    def min_max(self, batch):
        places = self.together(batch, self.phi(batch["image"]), RANDOM)
        stacked = tf.concat([tf.gather(batch["image"], i) for i in places], 0)

        def hardness(x):
            a, p, n = tf.split(self.phi(x), 3)
            return tf.reduce_sum(d(a, p) - d(a, n))

        attacked = tf.split(ascend(hardness, stacked), 3)
        return lambda: loss_of(*map(self.phi, attacked))

    def hm(self, batch):
        """HM[S, gLGA] & ICS with weight 0.5."""
        clean = self.phi(batch["image"])
        shards = []
        for s, places in enumerate(self.mined(batch, clean, SOFTHARD, "source")):
            images = [tf.gather(batch["image"], i) for i in places]
            wanted = -0.2 * min(0.2, max(0.0, self.previous[s])) / 0.2

            def objective(x):
                a, p, n = tf.split(self.phi(x), 3)
                return -tf.reduce_mean(tf.maximum(0.0, wanted - d(a, p) + d(a, n)) ** 2)

            attacked = tf.split(ascend(objective, tf.concat(images, 0), stop=1e-7), 3)
            self.previous[s] = float(loss_of(*map(self.phi, attacked)))
            shards.append((images, attacked))
        return lambda: tf.reduce_mean([self._with_ics(*shard) for shard in shards])

    def _with_ics(self, images, attacked):
        a, p, _ = map(self.phi, images)
        moved = list(map(self.phi, attacked))
        ics = tf.reduce_mean(tf.maximum(0.0, d(a, moved[0]) - d(a, p)))
        return loss_of(*moved) + 0.5 * ics

    def update(self, name, batch):
        """A gradient step with coupled weight decay on every parameter; returns the loss."""
        loss = getattr(self, name)(batch)
        weights = self.network.trainable_variables
        with tf.GradientTape() as tape:
            value = loss()
        for weight, gradient in zip(weights, tape.gradient(value, weights)):
            weight.assign_sub(RATE * (gradient + DECAY * weight))
        return float(value)
