"""What each metric promises, declared before it is measured: which damage it must detect, and in which scenes.

Placebos must move nothing and need no row. A pair of damage and metric that is not here is free: its cell is printed
and promises nothing. `(scene)` marks a law that is told the scene; without the mark only pixels are looked at.
"""

from framefall.evaluate.certify.validity import Band

SCENE = " (scene)"  # a law with the simulator's truth beside it

# the scenario that a damage is tried on
WHERE: dict[str, str] = {
    **dict.fromkeys(("teleport", "blink", "vanish", "duplicate"), "uniform"),
    **dict.fromkeys(("colour_drift", "colour_switch", "shape_switch", "size_drift"), "projectile"),
    **dict.fromkeys(("hidden_vanish", "hidden_colour", "hidden_shape", "other_height"), "occluder"),
    **dict.fromkeys(("exit_late", "reverse_behind", "unentered"), "occluder"),
    **dict.fromkeys(("gravity_flip", "gravity_half", "gravity_zero", "gravity_double", "linear_fall"), "projectile"),
    **dict.fromkeys(("superball", "reversed_bounce"), "fall"),
    **dict.fromkeys(("momentum_break", "merge"), "collision"),
    "pass_through": "collision",
    "energy_injection": "pendulum",
    "wrong_slide": "ramp",
    "float": "stack",
    **dict.fromkeys(("shuffle", "freeze", "stall", "judder", "pairs", "pulldown", "hold"), "projectile"),
    **dict.fromkeys(("position_jitter", "double_speed"), "projectile"),
    **dict.fromkeys(("half_speed", "reverse", "flicker", "brightness_flicker", "independent"), "projectile"),
}

_MUST: dict[str, tuple[str, ...]] = {
    "teleport": ("continuity" + SCENE,),
    "blink": ("permanence",),
    "vanish": ("permanence" + SCENE,),
    "duplicate": ("permanence",),
    "colour_drift": ("identity",),
    "colour_switch": ("identity",),
    "shape_switch": ("identity",),
    "size_drift": ("identity",),
    "hidden_vanish": ("reappearance" + SCENE,),
    "hidden_colour": ("reappearance_identity" + SCENE,),
    "hidden_shape": ("reappearance_identity" + SCENE,),
    "other_height": ("reappearance" + SCENE,),
    "exit_late": ("reappearance_time" + SCENE,),
    "reverse_behind": ("reappearance" + SCENE,),
    "unentered": ("permanence" + SCENE,),
    "gravity_flip": ("gravity" + SCENE,),
    "gravity_half": ("gravity" + SCENE,),
    "gravity_zero": ("gravity" + SCENE,),
    "gravity_double": ("gravity" + SCENE,),
    "linear_fall": ("gravity" + SCENE,),
    "superball": ("restitution",),
    "reversed_bounce": ("restitution",),
    "momentum_break": ("restitution",),  # JPEG can hide a contact, and with it the law of momentum
    "pass_through": ("velocity_error" + SCENE,),
    "merge": ("velocity_error" + SCENE,),  # one body as large as two is taken for two that touch
    "energy_injection": ("pendulum_energy" + SCENE,),
    "wrong_slide": ("ramp" + SCENE,),
    "float": ("support" + SCENE,),
    "shuffle": ("roughness", "continuity" + SCENE),
    "freeze": ("longest_still",),
    "stall": ("longest_still",),
    "judder": ("roughness",),  # unevenness sees it too, but noise of a few levels moves that as far
    "pairs": ("stutter", "cadence"),
    "pulldown": ("cadence",),
    "hold": ("stutter", "cadence"),
    "position_jitter": ("roughness",),
    "double_speed": ("gravity" + SCENE,),
    "half_speed": ("gravity" + SCENE, "stutter", "cadence"),  # every frame is shown twice
    "flicker": ("luminance_flicker",),
    "brightness_flicker": ("luminance_flicker",),
    "independent": ("flicker", "continuity" + SCENE),
}
BANDS: dict[tuple[str, str], Band] = {
    (damage, metric): "must_detect" for damage, metrics in _MUST.items() for metric in metrics
}
